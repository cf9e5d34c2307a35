/** Doubles of vendors that somebody starts from a terminal. */
import { execFile } from 'node:child_process'
import { globSync } from 'node:fs'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { ROOT } from './hub.ts'

test('a double on a port that is taken says so in one line', async () => {
  const taken = createServer()
  await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve))
  const port = String((taken.address() as AddressInfo).port)
  const doubles = globSync('integrations/*/fake/start.ts', { cwd: ROOT })
  expect(doubles.length).toBeGreaterThan(3)
  const start = (double: string) =>
    promisify(execFile)(`${ROOT}node_modules/.bin/node`, [`${ROOT}${double}`, '--port', port]).catch(
      (error: { code: number; stdout: string; stderr: string }) => error,
    )
  const line = new RegExp(`^Another program listens there already; choose another --port\\. .*:${port}.*\\n$`)
  for (const ended of await Promise.all(doubles.map(start)))
    expect(ended).toMatchObject({ code: 1, stdout: '', stderr: expect.stringMatching(line) })
  taken.close()
})
