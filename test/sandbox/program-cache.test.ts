/** The sandbox's own programs between starts: made once for the same sources, and never more of them than a few. */
import { readdir, stat, utimes, writeFile } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { LIMITS } from '../../core/limits.ts'
import { cachedProgram } from '../../core/sandbox/program-cache.ts'
import { tempDir } from '../support/temp.ts'

test('programs of other sources are kept up to a number; the longest unused go first', async () => {
  await using temp = await tempDir('programs')
  const dir = temp.file('cache')
  let made = 0
  const program = (): Promise<string> =>
    cachedProgram({ name: 'guest', dir, make: async () => `program ${(made += 1)}` })
  expect([await program(), await program()]).toEqual(['program 1', 'program 1'])
  const [own] = await readdir(dir)
  // Of other versions, the first used last long ago; a file half written; and what is somebody else's.
  const others = Array.from({ length: LIMITS.childProgramsKeptMax + 5 }, (_, n) => `sandbox-child-${n}.js`)
  for (const [n, name] of others.entries()) {
    await writeFile(`${dir}/${name}`, '')
    await utimes(`${dir}/${name}`, 1_000 + n, 1_000 + n)
  }
  await writeFile(`${dir}/sandbox-child-x.js.1.tmp`, '')
  await utimes(`${dir}/sandbox-child-x.js.1.tmp`, 1_000, 1_000)
  await writeFile(`${dir}/not-ours`, '')
  await utimes(`${dir}/${own}`, 500, 500)
  // Found, it counts as used; nothing is removed by a start that makes nothing.
  expect(await program()).toBe('program 1')
  expect((await stat(`${dir}/${own}`)).mtimeMs).toBeGreaterThan(1_000_000)
  expect(await readdir(dir)).toHaveLength(others.length + 3)
  await cachedProgram({ name: 'child', dir, make: async () => 'another' })
  const left = await readdir(dir)
  const kept = left.filter((name) => name.startsWith('sandbox-'))
  expect(kept).toHaveLength(LIMITS.childProgramsKeptMax)
  expect(left).toEqual(expect.arrayContaining([own, 'not-ours', others.at(-1)]))
  expect(left).not.toContain(others[0])
  expect(await program()).toBe('program 1')
})
