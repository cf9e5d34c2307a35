/** Trips the limits of deliveries. */
import { expect } from 'vitest'
import { backoffMs } from '../../../core/delivery/backoff.ts'
import { LIMITS } from '../../../core/limits.ts'
import { startHub } from '../../support/hub.ts'
import { startReceiver } from '../../support/receiver.ts'
import { hook, sceneConfig } from '../../support/scene.ts'
import { sleep } from '../../support/wait.ts'
import { PATH, TIGHT } from './world.ts'
import type { LimitCases } from './world.ts'

const HANGS = {
  in: 'test/faults/13-sink-hangs.test.ts',
  test: 'F-13 five kinds of hanging receivers: every one times out, the neighbour gets every event once',
}
const HUGE = {
  in: 'test/faults/14-sink-huge.test.ts',
  test: 'F-14 endless body, gzip bomb, giant header: at most 64 KiB kept, marked truncated, memory bounded',
}
const UNTOUCHED = {
  in: 'test/delivery/untouched.test.ts',
  test: 'an attempt in which nothing was done takes no step of the schedule, until the delivery is three days old and was tried a hundred times',
}
const BREAKER = {
  in: 'test/flow/70-replay.test.ts',
  test: 'the breaker opens on a dead receiver, alarms, and replays by itself when the receiver is back',
}
const MAIL_SERVER = 'test/capabilities/mail-server.test.ts'

/** Most requests that hang at one receiver at a time, when many more are due. */
async function hangingAtOnce(more: object, limits: Readonly<Record<string, number>>): Promise<number> {
  await using receiver = await startReceiver({ hang: true })
  const installations = [hook('hanging', receiver.url, more)]
  await using hub = await startHub({ config: sceneConfig({ installations, limits: { drainGraceMs: 0, ...limits } }) })
  const rows = Array.from({ length: 100 }, (_, n) => ({ data: { key: `k${n}` } }))
  await hub.api('POST', `${PATH}/batch`, rows)
  await receiver.received(1)
  // Time for more to come, if more came.
  await sleep(700)
  return receiver.concurrencyMax
}

export const leaving: LimitCases<
  | 'httpTimeoutMs'
  | 'httpConnectTimeoutMs'
  | 'httpSocketsPerHostMax'
  | 'httpResponseHeaderBytesMax'
  | 'emailBytesMax'
  | 'emailTimeoutMs'
  | 'emailConnectTimeoutMs'
  | 'emailConnectionsMax'
  | 'emailIdleMs'
  | 'attemptBodyBytesMax'
  | 'deliveryConcurrency'
  | 'retryAfterMsMax'
  | 'untouchedAgeMsMax'
  | 'untouchedAttemptsMax'
  | 'retryJitterFraction'
  | 'breakerFailuresMax'
  | 'breakerProbeMs'
  | 'breakerProbeMsMax'
  | 'drainGraceMs'
  | 'drainNoticeMs'
> = {
  httpTimeoutMs: HANGS,
  httpConnectTimeoutMs: {
    in: 'test/capabilities/bad-receivers.test.ts',
    test: 'a handshake that never ends: http_timeout after the connect limit, not the whole one',
  },
  httpSocketsPerHostMax: async () => {
    expect(await hangingAtOnce({ concurrency: 100 }, {})).toBe(LIMITS.httpSocketsPerHostMax)
  },
  httpResponseHeaderBytesMax: HUGE,
  emailBytesMax: { in: 'test/capabilities/email.test.ts', test: 'an e-mail has so many bytes' },
  emailTimeoutMs: {
    in: 'test/flow/65-e-mail.test.ts',
    test: 'a mail server that stands still costs so much time, and no message',
  },
  emailConnectTimeoutMs: { in: MAIL_SERVER, test: 'one that %s has not taken it' },
  emailConnectionsMax: {
    in: MAIL_SERVER,
    test: 'there are only so many at a time; the others wait for their turn, which no time of theirs goes into',
  },
  emailIdleMs: { in: MAIL_SERVER, test: 'are closed when nothing was sent for a while, and with the server' },
  attemptBodyBytesMax: HUGE,
  deliveryConcurrency: async () => {
    expect(await hangingAtOnce({}, { deliveryConcurrency: TIGHT.deliveryConcurrency })).toBe(TIGHT.deliveryConcurrency)
  },
  retryAfterMsMax: { in: 'test/flow/50-deliver.test.ts', test: 'Retry-After outlasts the schedule, and is clamped' },
  retryJitterFraction: () => {
    const wait = (random: number) =>
      backoffMs({ retry: { delaysMs: [10_000] }, step: 1, limits: LIMITS, random: () => random })
    expect([wait(0), wait(0.5), wait(0.999_999_999)]).toEqual([8_000, 10_000, 12_000])
  },
  untouchedAgeMsMax: UNTOUCHED,
  untouchedAttemptsMax: UNTOUCHED,
  breakerFailuresMax: BREAKER,
  breakerProbeMs: BREAKER,
  breakerProbeMsMax: BREAKER,
  drainNoticeMs: {
    in: 'test/faults/24-drain.test.ts',
    test: 'F-24 under load with one hanging sink: not ready first, exit 0 within the grace, 0 lost, few repeats',
  },
  drainGraceMs: {
    in: 'test/faults/24-drain.test.ts',
    test: 'F-24 under load with one hanging sink: not ready first, exit 0 within the grace, 0 lost, few repeats',
  },
}
