/** Checks that overlap with changes of what they check. */
import { expect, test } from 'vitest'
import { systemClock } from '../../core/clock.ts'
import type { CheckFinding } from '../../core/model.ts'
import { openChecks } from '../../core/registry/checks.ts'
import type { RunResult } from '../../core/sandbox/sandbox.ts'
import { installation } from '../delivery/world.ts'
import { runEnd } from '../runs/run-end.ts'

const quiet = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {}, child: () => quiet }
const settings = (hash: string) => installation({ id: 'crm', code: {}, manifest: { check: true }, hash })

test('what a check says of settings that were changed meanwhile is not kept', async () => {
  let now = settings('old')
  const begun: { readonly hash: string; readonly end: (result: RunResult) => void }[] = []
  const saved: string[] = []
  const finding: CheckFinding = { level: 'error', message: 'expired', code: 'credential_refused' }
  const standing = () => ({
    installation: now,
    state: 'ready' as const,
    reason: null,
    returnsAtMs: null,
    pausesAtMs: [],
    refusedHash: null,
  })
  const checks = openChecks({
    roster: () => ({ find: standing, bringUp: () => Promise.resolve(now), assembly: () => null }),
    store: {
      syncInstallations: () => Promise.resolve([]),
      saveCheck: ({ hash }) => Promise.resolve(void saved.push(hash)),
    },
    sandbox: {
      runEach: () => {
        const { promise, resolve } = Promise.withResolvers<RunResult>()
        begun.push({ hash: now.hash, end: resolve })
        return promise
      },
    },
    capabilities: {
      open: () => ({
        handler: () => Promise.resolve(undefined),
        exchanges: [],
        hosts: [],
        lastHost: () => null,
        mayHaveLeft: () => false,
        mayHaveWritten: () => false,
        hasProven: () => false,
        mask: (text) => text,
      }),
    },
    runs: { record: () => {} },
    clock: systemClock,
    logger: quiet,
  })
  const asked = { workspace: 'default', installation: 'crm' }
  const late = checks.check(asked)
  await expect.poll(() => begun.length).toBe(1)
  now = settings('new')
  const second = checks.check(asked)
  await expect.poll(() => begun.length).toBe(2)
  const { result } = runEnd()
  const found = (findings: readonly CheckFinding[]) => ({ ...result, error: null, value: findings }) as RunResult
  begun[1]?.end(found([]))
  await second
  begun[0]?.end(found([finding]))
  // Whoever asked is told all the same.
  expect((await late).findings).toEqual([finding])
  expect(saved).toEqual(['new'])
})
