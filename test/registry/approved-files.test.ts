/** Granted code outlives whoever changes it: an approval is killed at each of its steps, in a process of its own. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdir, rm, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, expect, it } from 'vitest'
import type { Assembly } from '../../core/registry/assemble.ts'
import { assemble } from '../../core/registry/assemble.ts'
import { readLock } from '../../core/registry/lock.ts'
import type { TempDir } from '../support/temp.ts'
import { tempDir } from '../support/temp.ts'
import { CODE, HELLO, writePlugin } from './plugin-folder.ts'

const FILE =
  'pluginDirs: [mine]\ninstallations:\n  - id: one\n    use: hello\n    with: { url: "https://hooks.example" }\n'
const APPROVER = fileURLToPath(new URL('../fixtures/registry/approver.ts', import.meta.url))
const NEW_CODE = CODE.replace('event.id', '"new"')
const WIDER = { ...HELLO, permissions: { ...HELLO.permissions, kv: true } }

let temp: TempDir
beforeEach(async () => {
  temp = await tempDir('approved')
  await writePlugin(temp.file('mine'), 'hello')
  await writeFile(temp.file('manifold.yaml'), FILE)
})
afterEach(() => temp[Symbol.asyncDispose]())

const dataDir = () => temp.file('data')
const kept = async (): Promise<readonly string[]> =>
  (await readdir(join(dataDir(), 'cache', 'bundles', 'approved'))).filter((name) => name.endsWith('.json'))
const lockedFile = async (): Promise<string> => `${(await readLock(dataDir())).plugins['hello']?.files}.json`

/** A hub that starts. */
async function start(): Promise<Assembly> {
  const result = await assemble({
    file: temp.file('manifold.yaml'),
    env: {},
    dataDir: dataDir(),
    roots: (dirs) => dirs.map((dir) => ({ dir, origin: 'community' as const })),
    pinned: true,
    nowMs: 0,
  })
  if ('problems' in result) throw new Error(JSON.stringify(result.problems, null, 1))
  return result
}

/** Approves what is on disk in another process, which is killed when it renames a file to a name that ends so. */
async function approve(killedAt: string | null): Promise<NodeJS.Signals | null> {
  const child = spawn(
    process.execPath,
    ['--disable-warning=ExperimentalWarning', APPROVER, temp.file('mine'), dataDir(), killedAt ?? ''],
    {
      stdio: 'inherit',
    },
  )
  const [, signal] = (await once(child, 'exit')) as [number | null, NodeJS.Signals | null]
  // The next would wait for a while, since the other might still be writing.
  await utimes(join(dataDir(), 'manifold.lock.json.writing'), 0, 0).catch(() => undefined)
  return signal
}

it.each([
  ['before the new files have their name', '.json', HELLO, 1],
  ['between the files and the lock', 'manifold.lock.json', HELLO, 2],
  ['between them, when more is asked for by a manifest with the same code', 'manifold.lock.json', WIDER, 2],
])('killed %s: what was granted runs on, and the next approval holds', async (_, killedAt, manifest, files) => {
  const before = await start()
  const code = manifest === HELLO ? NEW_CODE : CODE
  await writePlugin(temp.file('mine'), 'hello', { code, manifest })
  expect(await approve(killedAt)).toBe('SIGKILL')
  expect(await kept()).toHaveLength(files)
  const after = await start()
  expect(after.pending).toHaveLength(1)
  expect(after.installations[0]?.plugin.bundle.code).toBe(before.installations[0]?.plugin.bundle.code)
  expect(after.installations[0]?.plugin.manifest).toEqual(before.installations[0]?.plugin.manifest)
  // What nobody granted is gone with that start.
  expect(await kept()).toEqual([await lockedFile()])
  expect(await approve(null)).toBe(null)
  const approved = await start()
  expect(approved.pending).toEqual([])
  expect(approved.granted['hello']?.grants).toEqual(
    manifest === HELLO ? before.granted['hello']?.grants : expect.arrayContaining(['kv']),
  )
  expect(await kept()).toEqual([await lockedFile()])
})

it('the version from before is kept until the lock no longer names it, and removed then', async () => {
  await start()
  const first = await lockedFile()
  await writePlugin(temp.file('mine'), 'hello', { code: NEW_CODE })
  await approve(null)
  expect((await kept()).toSorted()).toEqual([first, await lockedFile()].toSorted())
  await start()
  expect(await kept()).toEqual([await lockedFile()])
  expect(await lockedFile()).not.toBe(first)
})

it('a kept file that was lost is written again by the next start', async () => {
  await start()
  await rm(join(dataDir(), 'cache', 'bundles', 'approved'), { recursive: true })
  await start()
  expect(await kept()).toEqual([await lockedFile()])
})
