/** F-26 over two processes: the same submission at both at once, and again when one was killed. One is stored; all hear the same. */
import { expect, test } from 'vitest'
import { brokenLog, openFleetScene } from '../support/fleet-scene.ts'
import type { Hub } from '../support/hub.ts'
import { DECK } from '../support/scene.ts'

const TWINS = 50
const PATH = `/api/v2/forms/${DECK}/responses`

interface Receipt {
  readonly id: string
  readonly event_id: string
  readonly code?: string
}

test('F-26 one Idempotency-Key fifty times over two APIs, and again after kill -9 of one: one stored, equal answers; other body 422', async () => {
  await using scene = await openFleetScene({ apis: 2, workers: 1 })
  const { fleet, receiver, ledger } = scene
  ledger.sent('twin')
  const doors = fleet.apis
  const at = (n: number): Hub => doors[n % doors.length] as Hub
  const send = (n: number, key: string, body: object = { data: { key } }) =>
    at(n).api<Receipt>('POST', PATH, body, { headers: { 'idempotency-key': key } })

  // Both know form and key by then: what is measured is the race, not the start.
  await Promise.all([send(0, 'warm-0'), send(1, 'warm-1')])
  const answers = await Promise.all(Array.from({ length: TWINS }, (_, n) => send(n, 'twin')))
  expect(answers.filter(({ status }) => status === 201)).toHaveLength(1)
  const [first] = answers.filter(({ status }) => status === 201)
  expect(answers.filter(({ status }) => ![200, 201].includes(status)).map(({ text }) => text)).toEqual([])
  for (const answer of answers) expect(answer.body).toEqual(first?.body)

  const others = await Promise.all([0, 1].map((n) => send(n, 'twin', { data: { key: 'impostor' } })))
  expect(others.map(({ status, body }) => [status, body.code])).toEqual([
    [422, 'idempotency_mismatch'],
    [422, 'idempotency_mismatch'],
  ])
  // Different bodies at once, at both: one wins, every other is told so.
  for (let round = 0; round < 5; round += 1) {
    const key = `mixed-${round}`
    const mixed = await Promise.all(
      Array.from({ length: 20 }, (_, n) => send(n, key, { data: { key: `${key}-${n}` } })),
    )
    expect(mixed.filter(({ status }) => status === 201)).toHaveLength(1)
    expect(mixed.map(({ status }) => status).filter((status) => ![201, 409, 422].includes(status))).toEqual([])
  }
  // The same client id at once, at both, is one response, too.
  const clients = await Promise.all(
    Array.from({ length: 20 }, (_, n) => at(n).api<Receipt>('POST', PATH, { client_id: 'c-1', data: { key: 'c' } })),
  )
  expect(new Set(clients.map(({ body }) => body.id)).size).toBe(1)

  const again = [...doors]
  const [victim, survivor] = again as [Hub, Hub]
  const racing = Array.from({ length: 20 }, (_, n) =>
    send(n, 'killed').then(
      (answer) => answer,
      () => null,
    ),
  )
  await fleet.kill(victim)
  const heard = (await Promise.all(racing)).filter((answer) => answer !== null)
  const retried = await Promise.all(
    Array.from({ length: 10 }, () =>
      survivor.api<Receipt>('POST', PATH, { data: { key: 'killed' } }, { headers: { 'idempotency-key': 'killed' } }),
    ),
  )
  expect(new Set([...heard, ...retried].map(({ body }) => body.id)).size).toBe(1)
  for (const answer of retried) expect([answer.status, answer.headers['idempotency-replayed']]).toEqual([200, 'true'])

  await scene.settled()
  const rows = await fleet.sql<{ count: number }>('SELECT count(*)::int AS count FROM responses')
  // Two to warm up, the twin, five mixed, the client, the killed.
  expect(rows[0]?.count).toBe(10)
  expect(receiver.requests).toHaveLength(10)
  expect(new Set(receiver.requests.map(({ id }) => id)).size).toBe(10)
  expect(await brokenLog(fleet)).toEqual([])
})
