/** F-26: the same submission many times at once, and again after a crash. One is stored; all hear the same. */
import { expect, test } from 'vitest'
import { settled } from '../support/hub.ts'
import { allItems } from '../support/pages.ts'
import { DECK, openScene } from '../support/scene.ts'

const TWINS = 50
const PATH = `/api/v2/forms/${DECK}/responses`

interface Receipt {
  readonly id: string
  readonly event_id: string
  readonly code?: string
}

test('F-26 one Idempotency-Key fifty times at once, and again after kill -9: one stored, equal answers; other body 422', async () => {
  await using scene = await openScene()
  const { hub, receiver, ledger } = scene
  ledger.sent('twin')
  const send = (key: string, body: object = { data: { key: 'twin' } }) =>
    hub.api<Receipt>('POST', PATH, body, { headers: { 'idempotency-key': key } })
  const answers = await Promise.all(Array.from({ length: TWINS }, () => send('twin')))
  const stored = answers.filter(({ status }) => status === 201)
  expect(stored).toHaveLength(1)
  const [first] = stored
  for (const answer of answers) {
    expect(answer.body).toEqual(first?.body)
  }
  await hub.restart()
  const after = await Promise.all(Array.from({ length: 10 }, () => send('twin')))
  for (const answer of after) {
    expect(answer.status).toBe(200)
    expect(answer.headers['idempotency-replayed']).toBe('true')
    expect(answer.body).toEqual(first?.body)
  }
  const other = await send('twin', { data: { key: 'impostor' } })
  expect([other.status, other.body.code]).toEqual([422, 'idempotency_mismatch'])
  // Mixed bodies at once: one body wins, every other body is told so.
  const mixed = await Promise.all(Array.from({ length: 20 }, (_, n) => send('mixed', { data: { key: `mixed-${n}` } })))
  expect(mixed.filter(({ status }) => status === 201)).toHaveLength(1)
  expect(mixed.map(({ status }) => status).filter((status) => ![201, 409, 422].includes(status))).toEqual([])
  // The same client id at once is one response too.
  const clients = await Promise.all(
    Array.from({ length: 20 }, () => hub.api<Receipt>('POST', PATH, { client_id: 'c-1', data: { key: 'client' } })),
  )
  expect(new Set(clients.map(({ body }) => body.id)).size).toBe(1)

  await settled(hub)
  expect(await allItems(hub, PATH)).toHaveLength(3)
  expect(new Set(receiver.requests.map(({ id }) => id)).size).toBe(3)
  expect(receiver.requests).toHaveLength(3)
})
