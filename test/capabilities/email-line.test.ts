/** E-mails in line for the mail server: what costs nothing there, and what has begun. */
import { expect, test } from 'vitest'
import { createGuardedHttp } from '../../core/capabilities/guarded-http.ts'
import type { MailOrder, MailServer } from '../../core/capabilities/mail-server.ts'
import { createRunCapabilities } from '../../core/capabilities/run-capabilities.ts'
import type { MailSettings } from '../../core/config/config.ts'
import { mailPrint } from '../../core/config/mail-settings.ts'
import { receiverEvidence, rulingOf } from '../../core/delivery/outcome.ts'
import { HubError } from '../../core/errors.ts'
import { LIMITS } from '../../core/limits.ts'
import { installation } from '../delivery/world.ts'
import { startReceiver } from '../support/receiver.ts'
import type { Receiver } from '../support/receiver.ts'

const MAIL = { to: 'team@example.org', subject: 'Hi', text: 'Dear you' }

const openRun = (
  send: MailServer['send'],
  breakerMs: () => number | null = () => null,
  mailOf?: MailSettings | null,
  receiver?: Receiver,
) => {
  const from = { name: '', address: 'hub@manifold.example' }
  const settings = { host: 'mail', port: 25, tls: 'none', user: null, password: null, from } as const
  const none = (): never => {
    throw new Error('nothing is read')
  }
  const capabilities = createRunCapabilities({
    store: { kvGet: none, kvList: none, tallies: none, getResponse: none, listResponses: none },
    http: createGuardedHttp({ allow: ['127.0.0.1'], limits: LIMITS }),
    mail: { settings: () => settings, send, configure: none, close: none },
    clock: { nowMs: () => 0, monotonicMs: () => 0 },
    limits: LIMITS,
    breakers: { check: breakerMs },
    formOf: none,
  })
  const email = { addresses: [MAIL.to], fields: [], server: mailPrint(mailOf === undefined ? settings : mailOf) }
  const http = { hosts: receiver === undefined ? [] : [`127.0.0.1:${receiver.port}`], methods: ['POST'] }
  return capabilities.open(
    { ...installation({ id: 'mail', code: {}, email }), http },
    {
      deadlineMs: 20_000,
      actFor: { deliveryId: 'dlv_1', responseId: null },
    },
  )
}
const failureOf = (run: ReturnType<typeof openRun>): Promise<unknown> =>
  run.handler('email', MAIL).then(
    () => null,
    (error: { code: string }) => error.code,
  )

test('nothing is sent, recorded or counted before its turn', async () => {
  const orders: MailOrder[] = []
  const run = openRun((order) => {
    orders.push(order)
    return Promise.reject(new HubError('plugin_interrupted', 'no turn'))
  })
  expect(await failureOf(run)).toBe('plugin_interrupted')
  expect([run.exchanges, run.hosts, run.mayHaveLeft()]).toEqual([[], [], false])
  // It begins while enough of the run is left, and has all of its own time then.
  expect(orders[0]?.lineMs).toBe(10_000)
  expect(orders[0]?.begins()).toBe(LIMITS.emailTimeoutMs)
})

test.each([
  ['the line', undefined],
  ['another mail server', null],
] as const)('%s interrupts no run that has sent something: it is counted, and says nothing of hosts', async (_, of) => {
  await using receiver = await startReceiver()
  const run = openRun(
    () => Promise.reject(new HubError('plugin_interrupted', 'no turn')),
    () => null,
    of,
    receiver,
  )
  await run.handler('http', { method: 'POST', url: `${receiver.url}/`, body: 'x' })
  const failure = await run.handler('email', MAIL).catch((error: unknown) => error as HubError)
  expect(failure).toMatchObject({ code: 'email_timeout' })
  const verdict = rulingOf(failure as HubError)
  expect(verdict).toMatchObject({ kind: 'retry', code: 'email_timeout' })
  expect(receiver.requests).toHaveLength(1)
  const { exchanges, hosts } = run
  expect([...receiverEvidence(verdict, { exchanges, hosts, host: run.lastHost() })]).toEqual([
    [`127.0.0.1:${receiver.port}`, 'works'],
  ])
})

test('what a run was made for goes by no other mail server', async () => {
  const run = openRun(
    () => Promise.reject(new HubError('email_auth', 'no')),
    () => null,
    null,
  )
  expect(await failureOf(run)).toBe('plugin_interrupted')
  expect([run.exchanges, run.mayHaveLeft()]).toEqual([[], false])
})

test('what began is recorded; where the breaker opened meanwhile nothing begins', async () => {
  const send: MailServer['send'] = async ({ begins }) => {
    begins()
    throw new HubError('email_timeout', 'late')
  }
  const late = openRun(send)
  expect(await failureOf(late)).toBe('email_timeout')
  expect([late.exchanges.length, late.hosts, late.mayHaveLeft()]).toEqual([1, ['mail:25'], true])
  const asked = [null, 5_000]
  const held = openRun(send, () => asked.shift() ?? null)
  expect(await failureOf(held)).toBe('breaker_open')
  expect([held.exchanges, held.mayHaveLeft()]).toEqual([[], false])
})
