/** `isolation` and `hardened` of manifold.yaml, seen from the processes a hub really runs. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { familyOf } from '../bench/processes.ts'
import { startHub } from '../support/hub.ts'
import { until } from '../support/wait.ts'

const hello = (id: string, more: object = {}) => ({ id, use: 'hello', with: { question: 'name' }, ...more })

test('one installation gets a process for itself, one a hardened one, the rest share; a reload moves them', async () => {
  const config = (installations: readonly object[]) => ({ installations })
  await using hub = await startHub({
    unproven: true,
    config: config([hello('a'), hello('b'), hello('alone', { isolation: 'own' }), hello('hard', { hardened: true })]),
  })
  const children = async () => {
    const pids = familyOf(hub.pid).filter((pid) => pid !== hub.pid)
    const lines = await Promise.all(pids.map((pid) => readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')))
    const sandboxes = lines.filter((line) => line.includes('--permission'))
    return { plain: sandboxes.filter((line) => !line.includes('--jitless')).length, all: sandboxes.length }
  }
  await until('three processes', children, { accept: ({ plain, all }) => plain === 2 && all === 3 })
  const counted = async () =>
    Promise.all(['own', 'builtin'].map((group) => hub.metric('manifold_sandbox_children', { group })))
  await until('the numbers', counted, { accept: ([own, builtin]) => own === 1 && builtin === 2 })
  const proof = JSON.parse(await readFile(join(hub.dataDir, 'cache/sandbox-proof.json'), 'utf8')) as unknown[]
  expect(proof).toHaveLength(2)

  await hub.writeConfig(config([hello('a'), hello('b'), hello('alone'), hello('hard')]))
  await until('one process', children, { accept: ({ plain, all }) => plain === 1 && all === 1 })
})
