/**
 * One run of a plugin's `check`: what it finds out about its own credentials and settings. Nothing in the hub follows from it;
 * of what it sends the hub checks only, as ever, that it is granted.
 */
import type { Clock } from '../clock.ts'
import type { Finding } from '../contract/index.ts'
import { NO_EFFECTS } from '../delivery/effects.ts'
import type { OpenCapabilities, OpenedRun } from '../delivery/ports.ts'
import { HubError } from '../errors.ts'
import { newId } from '../ids.ts'
import type { CheckFinding } from '../model.ts'
import type { RunRecorder } from '../runs/history.ts'
import { NOT_IN_CHECK } from '../sandbox/protocol.ts'
import type { CapabilityHandler, RunResult, Sandbox } from '../sandbox/sandbox.ts'
import type { Installation } from './installation.ts'

export interface CheckCallDeps {
  readonly sandbox: Pick<Sandbox, 'runEach'>
  readonly capabilities: OpenCapabilities
  readonly runs: RunRecorder
  readonly clock: Clock
}

const TRIES_MAX = 3
/** What looks, and what a look needs. Whatever else a plugin may do is for handlers and actions. */
const ALLOWED: ReadonlySet<string> = new Set(['http', 'token', 'hmac', 'sign', 'kv.get', 'kv.list'])

/**
 * The findings, secrets masked. A check that fails is a finding with the code of its error: an error when nothing but an
 * admin can mend it, else a warning, since nothing could be found out. Rejects with `unavailable` when it never came to run.
 */
export async function runCheck(deps: CheckCallDeps, installation: Installation): Promise<readonly CheckFinding[]> {
  for (let tries = 1; ; tries++) {
    const { result, opened } = await runOnce(deps, installation)
    const { error } = result
    if (error === null)
      return ((result.value ?? []) as readonly Finding[]).map((finding) => ({
        ...finding,
        message: opened.mask(finding.message),
      }))
    if (error.code === 'plugin_interrupted') {
      if (tries < TRIES_MAX) continue
      throw new HubError('unavailable', 'The check was interrupted again and again; ask for it later.')
    }
    const told = opened.mask(error.message)
    const message = error.retryable ? `It could not be checked: ${told}` : told
    return [{ level: error.retryable ? 'warning' : 'error', message, code: error.code }]
  }
}

interface Ran {
  readonly result: RunResult
  readonly opened: OpenedRun
}

async function runOnce(
  { sandbox, capabilities, runs, clock }: CheckCallDeps,
  installation: Installation,
): Promise<Ran> {
  const startedAtMs = clock.nowMs()
  const startedMonoMs = clock.monotonicMs()
  const id = newId('run', startedAtMs)
  const opened = capabilities.open(installation, { deadlineMs: startedAtMs + installation.limits.actionWallMs })
  const input = { kind: 'check', name: 'check' } as const
  const run = { id, attempt: 1, input, capabilities: onlyLooking(opened.handler) }
  const result = await sandbox.runEach(installation.key, run)
  const { error } = result
  if (error?.code === 'plugin_interrupted') return { result, opened }
  runs.record({
    id,
    installation,
    kind: 'check',
    name: 'check',
    attempt: 1,
    startedAtMs,
    durationMs: clock.monotonicMs() - startedMonoMs,
    items: [],
    result,
    effects: NO_EFFECTS,
    exchanges: opened.exchanges,
    failure: error === null ? null : { code: error.code, error: error.message, cause: error.cause },
    mask: opened.mask,
  })
  return { result, opened }
}

const onlyLooking =
  (handler: CapabilityHandler): CapabilityHandler =>
  async (name, args) => {
    if (!ALLOWED.has(name)) throw new HubError('capability_denied', `ctx.${name} ${NOT_IN_CHECK}`)
    return handler(name, args)
  }
