/** What only the process can do that runs an installation, when that process does not answer. */
import { expect, test } from 'vitest'
import { openAnywhere } from '../../core/fleet/anywhere.ts'
import type { BoundCalls } from '../../core/fleet/anywhere.ts'

test('a dead neighbour keeps nobody from a resume; what it alone could do is told as not to be had', async () => {
  const calls = openAnywhere({
    // Nothing listens there.
    fleet: {
      holds: () => false,
      orphans: () => [],
      elsewhere: async () => ({ url: 'http://127.0.0.1:9', key: 'door' }),
    },
    known: () => true,
    here: {} as BoundCalls,
  })
  const one = { workspace: 'default', installation: 'crm' }
  expect(await calls.probe(one)).toEqual([])
  await expect(calls.testSend(one)).rejects.toMatchObject({ code: 'unavailable' })
})
