/** One process at a time changes the lock file, also where one that died, or stood still for long, has left it taken. */
import { readFile, readdir, utimes, writeFile } from 'node:fs/promises'
import type * as Fs from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { beforeEach, expect, onTestFinished, test, vi } from 'vitest'
import { holdLock, readLock } from '../../core/registry/lock.ts'
import type { LockEntry } from '../../core/registry/lock.ts'
import { tempDir } from '../support/temp.ts'

/** Called when somebody has looked how old the taken lock is, and before he acts on it. */
const looked = vi.hoisted(() => ({ then: async (): Promise<void> => undefined }))
vi.mock('node:fs/promises', async (real) => {
  const fs = await real<typeof Fs>()
  const stat = async (path: string) => {
    const found = await fs.stat(path)
    await looked.then()
    return found
  }
  return { ...fs, stat }
})

const ENTRY: LockEntry = { version: '1.0.0', hash: '', files: '', grants: [], grantedAt: '2026-01-01T00:00:00.000Z' }
const MANY = 20

let dataDir: string
let taken: string
beforeEach(async () => {
  const dir = await tempDir('lock')
  onTestFinished(() => dir[Symbol.asyncDispose]())
  dataDir = dir.path
  looked.then = async () => undefined
  taken = dir.file('manifold.lock.json.writing')
})
const names = async () => Object.keys((await readLock(dataDir)).plugins)

test('many find one that a dead process left: each is alone, and nothing that one writes is lost', async () => {
  for (let round = 0; round < 2; round++) {
    await writeFile(taken, 'of a dead process')
    await utimes(taken, 0, 0)
    let inside = 0
    let most = 0
    const write = (id: string) =>
      holdLock(dataDir, async (lock) => {
        most = Math.max(most, ++inside)
        await sleep(1)
        lock.plugins[id] = ENTRY
        await lock.write()
        inside -= 1
      })
    await Promise.all(Array.from({ length: MANY }, (_, n) => write(`plugin-${round}-${n}`)))
    expect(most).toBe(1)
    expect(await names()).toHaveLength((round + 1) * MANY)
  }
  expect(await readdir(dataDir)).toEqual(['manifold.lock.json'])
})

test('who saw that it was left behind, and comes late, takes it from nobody who was quicker', async () => {
  await writeFile(taken, 'of a dead process')
  await utimes(taken, 0, 0)
  let slow: () => void = () => undefined
  let isFirstLook = true
  const hasLooked = new Promise<void>((seen) => {
    looked.then = async () => {
      if (!isFirstLook) return
      isFirstLook = false
      seen()
      await new Promise<void>((resolve) => (slow = resolve))
    }
  })
  let isSlowIn = false
  const late = holdLock(dataDir, async (lock) => {
    isSlowIn = true
    lock.plugins['late'] = ENTRY
    await lock.write()
  })
  await hasLooked
  await holdLock(dataDir, async (lock) => {
    slow()
    await sleep(100)
    expect(isSlowIn).toBe(false)
    lock.plugins['quick'] = ENTRY
    await lock.write()
  })
  await late
  expect((await names()).toSorted()).toEqual(['late', 'quick'])
  expect(await readdir(dataDir)).toEqual(['manifold.lock.json'])
})

test('who stood still so long that another took over writes nothing, and leaves the other alone', async () => {
  let tokenOfSecond = ''
  const first = holdLock(dataDir, async (lock) => {
    await utimes(taken, 0, 0)
    let release: () => void = () => undefined
    let second: Promise<void> = Promise.resolve()
    await new Promise<void>((began) => {
      second = holdLock(dataDir, async (other) => {
        tokenOfSecond = await readFile(taken, 'utf8')
        began()
        await new Promise<void>((resolve) => (release = resolve))
        other.plugins['second'] = ENTRY
        await other.write()
      })
    })
    lock.plugins['first'] = ENTRY
    await expect(lock.write()).rejects.toThrow(/manifold\.lock\.json.*another process/)
    expect(await readFile(taken, 'utf8')).toBe(tokenOfSecond)
    release()
    await second
  })
  await first
  expect(await names()).toEqual(['second'])
  expect(await readdir(dataDir)).toEqual(['manifold.lock.json'])
})

test('who ends late does not free what another holds by now', async () => {
  let wentOn = false
  let second: Promise<void> = Promise.resolve()
  await holdLock(dataDir, async () => {
    await utimes(taken, 0, 0)
    await new Promise<void>((began) => {
      second = holdLock(dataDir, async (other) => {
        began()
        await sleep(30)
        wentOn = true
        await other.write()
      })
    })
  })
  const third = holdLock(dataDir, async () => expect(wentOn).toBe(true))
  await Promise.all([second, third])
})
