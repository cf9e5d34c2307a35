/** Trips the limits of the inlet. */
import { connect } from 'node:net'
import { expect } from 'vitest'
import { LIMITS } from '../../../core/limits.ts'
import { startHub } from '../../support/hub.ts'
import { sceneConfig } from '../../support/scene.ts'
import { until } from '../../support/wait.ts'
import { PATH, TIGHT, refused } from './world.ts'
import type { LimitCases } from './world.ts'

const field = (n: number) => ({ key: `f${n}`, type: 'text' })
const many = <T>(count: number, make: (n: number) => T): T[] => Array.from({ length: count }, (_, n) => make(n))
const SLOW = 'F-15 300 slow-loris sockets: honest clients are served, every slow one is cut'
const TRACK = 'test/http/track.test.ts'
const PROPERTIES = { in: TRACK, test: 'properties: how many, how deep, how long, how large' }
const ROWS = { in: TRACK, test: 'bytes of an event, rows of a batch, rows without a key' }
const CLOCK = { in: TRACK, test: 'a clock that runs ahead is told the time, and strangers cannot write history' }
const DOOR = 'test/http/plugin-door.test.ts'
const SHARES = 'shareRatePerSecond and shareRateBurst bound how often one link is opened, whoever opens it'
const HOOKS = 'test/http/hooks.test.ts'
const NOTES = 'notesPerResponseMax and noteCharsMax bound the notes of a response'
const BATCH = `${PATH}/batch`

export const entering: LimitCases<
  | 'bodyBytesMax'
  | 'batchBodyBytesMax'
  | 'batchRowsMax'
  | 'jsonDepthMax'
  | 'jsonKeysMax'
  | 'stringCharsMax'
  | 'headerBytesMax'
  | 'bearerCharsMax'
  | 'headersTimeoutMs'
  | 'requestTimeoutMs'
  | 'keepAliveTimeoutMs'
  | 'connectionsMax'
  | 'multipartPartsMax'
  | 'formFieldsMax'
  | 'fieldOptionsMax'
  | 'formsPerWorkspaceMax'
  | 'hooksPerWorkspaceMax'
  | 'endedHooksKeepMs'
  | 'notesPerResponseMax'
  | 'noteCharsMax'
  | 'idempotencyKeyCharsMax'
  | 'idempotencyTtlMs'
  | 'answerNumberMax'
  | 'publicRatePerSecond'
  | 'publicRateBurst'
  | 'shareRatePerSecond'
  | 'shareRateBurst'
  | 'eventBytesMax'
  | 'eventPropertiesMax'
  | 'eventPropertyDepthMax'
  | 'eventPropertyCharsMax'
  | 'publicEventRowsMax'
  | 'eventNumberMax'
  | 'eventQuarantineMax'
  | 'ladderValuesMax'
  | 'publicEventAgeMsMax'
  | 'publicStartAgeMsMax'
  | 'pageItemsMax'
  | 'pageItemsDefault'
> = {
  shareRatePerSecond: { in: DOOR, test: SHARES },
  shareRateBurst: { in: DOOR, test: SHARES },
  hooksPerWorkspaceMax: { in: HOOKS, test: 'hooksPerWorkspaceMax bounds how many there are' },
  endedHooksKeepMs: { in: HOOKS, test: 'endedHooksKeepMs bounds how long hooks stay that nothing is sent to' },
  notesPerResponseMax: { in: HOOKS, test: NOTES },
  noteCharsMax: { in: HOOKS, test: NOTES },
  bodyBytesMax: async ({ plain }) => {
    await refused(plain, { body: Buffer.alloc(LIMITS.bodyBytesMax + 1, ' ') }, [413, 'body_too_large'])
  },
  batchBodyBytesMax: async ({ tight }) => {
    await refused(tight, { path: BATCH, body: Buffer.alloc(TIGHT.batchBodyBytesMax + 1, ' ') }, [413, 'body_too_large'])
  },
  batchRowsMax: async ({ tight }) => {
    const rows = (count: number) => many(count, (n) => ({ data: { key: `row-${n}` } }))
    expect((await tight.api('POST', BATCH, rows(TIGHT.batchRowsMax))).status).toBe(200)
    const answer = await tight.api('POST', BATCH, rows(TIGHT.batchRowsMax + 1))
    expect([400, 413, 422], answer.text).toContain(answer.status)
    expect(answer.text).toContain(String(TIGHT.batchRowsMax))
  },
  jsonDepthMax: async ({ plain }) => {
    await refused(plain, { body: `{"data":${'['.repeat(LIMITS.jsonDepthMax)}${']'.repeat(LIMITS.jsonDepthMax)}}` }, [
      400,
      'too_deep',
    ])
  },
  jsonKeysMax: async ({ plain }) => {
    const data = Object.fromEntries(many(LIMITS.jsonKeysMax, (n) => [`k${n}`, n]))
    await refused(plain, { body: { data } }, [400, 'too_many_keys'])
  },
  stringCharsMax: async ({ plain }) => {
    await refused(plain, { body: { data: { key: 'x'.repeat(LIMITS.stringCharsMax + 1) } } }, [400, 'string_too_long'])
  },
  headerBytesMax: async ({ plain }) => {
    const answer = await plain.api('GET', '/healthz', undefined, {
      headers: { 'x-long': 'h'.repeat(LIMITS.headerBytesMax) },
    })
    expect(answer.status).toBe(431)
  },
  bearerCharsMax: async ({ plain }) => {
    const answer = await plain.api('GET', '/api/v2/forms', undefined, { key: 'b'.repeat(LIMITS.bearerCharsMax + 1) })
    expect([answer.status, answer.text]).toEqual([401, expect.stringContaining('must be \\"Bearer')])
  },
  answerNumberMax: {
    in: 'test/ingest/validate.test.ts',
    test: 'a number is within answerNumberMax, however it is sent and whatever its form says',
  },
  eventBytesMax: ROWS,
  eventPropertiesMax: PROPERTIES,
  eventPropertyDepthMax: PROPERTIES,
  eventPropertyCharsMax: PROPERTIES,
  eventNumberMax: PROPERTIES,
  eventQuarantineMax: {
    in: 'test/http/track-quarantine.test.ts',
    test: 'it holds so many and no more; strangers put nothing there',
  },
  ladderValuesMax: {
    in: 'test/contract/store/ladder.ts',
    test: 'counts the rarest values together where there are more than it holds, and loses none',
  },
  publicEventRowsMax: ROWS,
  publicEventAgeMsMax: CLOCK,
  publicStartAgeMsMax: {
    in: 'test/http/submit.test.ts',
    test: 'strangers begin what they send at a time that can be; a key says what it knows',
  },
  headersTimeoutMs: { in: 'test/faults/15-slow-clients.test.ts', test: SLOW },
  requestTimeoutMs: { in: 'test/faults/15-slow-clients.test.ts', test: SLOW },
  keepAliveTimeoutMs: async ({ plain }) => {
    const answer = await plain.api('GET', '/healthz')
    expect(answer.headers['keep-alive']).toContain(`timeout=${LIMITS.keepAliveTimeoutMs / 1_000}`)
  },
  connectionsMax: async () => {
    const connectionsMax = 10
    await using hub = await startHub({ config: sceneConfig({ limits: { connectionsMax } }) })
    const port = Number(new URL(hub.url).port)
    let cut = 0
    const sockets = many(connectionsMax * 2, () => {
      const socket = connect(port, '127.0.0.1')
      socket.on('error', () => undefined).once('close', () => (cut += 1))
      return socket
    })
    try {
      await until('the sockets beyond the limit to be cut', () => cut === connectionsMax)
    } finally {
      for (const socket of sockets) socket.destroy()
    }
    await until('it to serve again', async () => (await hub.api('GET', '/healthz')).status === 200)
  },
  multipartPartsMax: async ({ plain }) => {
    const part = (n: number) => `--b\r\ncontent-disposition: form-data; name="p${n}"\r\n\r\nx\r\n`
    const body = `${many(LIMITS.multipartPartsMax + 1, part).join('')}--b--\r\n`
    const answer = await plain.api('POST', '/f/deck', body, {
      headers: { 'content-type': 'multipart/form-data; boundary=b' },
    })
    expect([400, 413, 422], answer.text).toContain(answer.status)
    expect(answer.text).toContain(String(LIMITS.multipartPartsMax))
  },
  formFieldsMax: async ({ plain }) => {
    const fields = many(LIMITS.formFieldsMax + 1, field)
    await refused(plain, { path: '/api/v2/forms', body: { name: 'Wide', fields } }, [422, 'invalid_form'])
  },
  fieldOptionsMax: async ({ plain }) => {
    // Each option is a value of the body too, so the larger of the two limits is met first; both refuse.
    const options = many(LIMITS.fieldOptionsMax + 1, (n) => `o${n}`)
    const fields = [{ key: 'pick', type: 'select', options }]
    await refused(plain, { path: '/api/v2/forms', body: { name: 'Long', fields } }, [422, 'invalid_form'])
  },
  formsPerWorkspaceMax: async ({ tight }) => {
    const create = (n: number) => tight.api('POST', '/api/v2/forms', { id: `more-${n}`, name: 'More', fields: [] })
    // One is in the file already.
    for (let n = 1; n < TIGHT.formsPerWorkspaceMax; n += 1) expect((await create(n)).status).toBe(201)
    expect((await create(99)).status).toBe(409)
  },
  idempotencyKeyCharsMax: async ({ plain }) => {
    const headers = { 'idempotency-key': 'k'.repeat(LIMITS.idempotencyKeyCharsMax + 1) }
    await refused(plain, { body: { data: { key: 'x' } }, how: { headers } }, [400, 'bad_request'])
  },
  idempotencyTtlMs: { in: 'test/contract/store/accept.ts', test: 'forgets an Idempotency-Key after a day' },
  publicRatePerSecond: async ({ tight }) => {
    const sent = () => tight.api('POST', PATH, { data: { key: 'stranger' } }, { key: null })
    const answers = await Promise.all(many(TIGHT.publicRateBurst * 3, sent))
    const limited = answers.filter(({ status }) => status === 429)
    expect(limited.length).toBeGreaterThan(0)
    // One a second: that is how long the first one refused has to wait.
    expect(limited.every(({ headers }) => Number(headers['retry-after']) >= 1)).toBe(true)
    await until('the next token', async () => (await sent()).status === 201, { everyMs: 200 })
  },
  publicRateBurst: async ({ tight }) => {
    await until(
      'a full bucket again',
      () => new Promise((resolve) => setTimeout(() => resolve(true), (TIGHT.publicRateBurst + 1) * 1_000)),
    )
    const answers = await Promise.all(
      many(TIGHT.publicRateBurst + 3, () => tight.api('POST', PATH, { data: { key: 'burst' } }, { key: null })),
    )
    expect(answers.filter(({ status }) => status === 201)).toHaveLength(TIGHT.publicRateBurst)
  },
  pageItemsMax: async ({ plain }) => {
    await refused(plain, { method: 'GET', path: `${PATH}?limit=${LIMITS.pageItemsMax + 1}` }, [422, 'invalid_query'])
  },
  pageItemsDefault: async ({ plain }) => {
    const rows = many(LIMITS.pageItemsDefault + 1, (n) => ({ data: { key: `page-${n}` } }))
    expect((await plain.api('POST', BATCH, rows)).status).toBe(200)
    const page = await plain.api<{ items: unknown[]; next_cursor: string | null }>('GET', PATH)
    expect(page.body.items).toHaveLength(LIMITS.pageItemsDefault)
    expect(page.body.next_cursor).not.toBeNull()
  },
}
