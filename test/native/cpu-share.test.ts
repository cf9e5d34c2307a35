/** What a process uses is divided among the runs that are under way in it, and nothing of it twice. */
import { expect, test } from 'vitest'
import { CpuShare } from '../../core/native/cpu-share.ts'

test("runs that overlap share what is used meanwhile; what is used beside all runs is no one's", () => {
  let usedMs = 100
  const cpu = new CpuShare(() => usedMs)
  const endOne = cpu.begin()
  usedMs += 10
  const endTwo = cpu.begin()
  usedMs += 40
  expect(endOne()).toBe(30)
  usedMs += 5
  expect(endTwo()).toBe(25)
  usedMs += 1_000
  expect(cpu.begin()()).toBe(0)
})
