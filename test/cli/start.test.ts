/** What keeps a hub from starting is one line about the setting that asked for it, and what to do. */
import { writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { expect, test } from 'vitest'
import { tempDir } from '../support/temp.ts'
import { runCli } from './run-cli.ts'

test('a port, a host and a data folder that cannot be had are named', async () => {
  await using temp = await tempDir('start')
  await writeFile(temp.file('manifold.yaml'), 'installations: []\n')
  await writeFile(temp.file('taken'), '')
  const taken = createServer()
  await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve))
  const { port } = taken.address() as AddressInfo
  const start = (name: string, ...args: string[]) => runCli(temp.path, ['start', '--data', temp.file(name), ...args])
  const ended = await Promise.all([
    start('a', '--port', String(port)),
    start('b', '--port', '0', '--host', 'nowhere.invalid'),
    start('taken', '--port', '0'),
    runCli(temp.path, ['start', '--data', '/proc/of-nobody', '--port', '0']),
  ])
  taken.close()
  // Lines of the log are left out.
  expect(ended.map(({ code, stderr }) => [code, stderr.replaceAll(/^\{.*\n/gm, '')])).toEqual([
    [1, `manifold: Port ${port} of 127.0.0.1 is taken.\n  → choose another with --port; 0 takes any free one\n`],
    [
      1,
      expect.stringMatching(/^manifold: Cannot listen on nowhere\.invalid:0 \(E\w+\)\.\n {2}→ .*--host or --port\n$/),
    ],
    [1, expect.stringMatching(/^manifold: Cannot keep data in .*taken: EEXIST.*\.\n {2}→ .*--data\n$/)],
    [1, expect.stringMatching(/^manifold: Cannot keep data in \/proc\/of-nobody: ENOENT.*\.\n {2}→ .*--data\n$/)],
  ])
})
