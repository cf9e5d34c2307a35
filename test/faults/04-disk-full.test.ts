/** F-04: the disk is full. Nothing is promised that cannot be kept, reading goes on, and room is all it takes to recover. */
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { settled } from '../support/hub.ts'
import { storedKeys } from '../support/pages.ts'
import { DECK, openScene } from '../support/scene.ts'
import { mountTmpfs } from '../support/tmpfs.ts'
import { until } from '../support/wait.ts'

const FULL = [503, 507]

test('F-04 disk full: 507 with Retry-After, reads and health answer, recovers by itself once there is room', async () => {
  await using disk = await mountTmpfs(24 * 1_048_576)
  await using scene = await openScene({ dataDir: join(disk.path, 'data') })
  const { hub, ledger, driver } = scene
  for (let n = 0; n < 20; n += 1) expect(await driver.submit(`room-${n}`)).toBe(201)
  await settled(hub)

  await disk.fill()
  // What is already allocated may still take a few; then it is full.
  let n = 0
  await until('the hub to notice the full disk', () => driver.submit(`full-${n++}`), {
    accept: (status) => status !== 201,
    everyMs: 0,
  })
  const refused = await hub.api('POST', `/api/v2/forms/${DECK}/responses`, { data: { key: 'refused' } })
  expect(FULL).toContain(refused.status)
  expect(Number(refused.headers['retry-after'])).toBeGreaterThan(0)
  expect(refused.headers['content-type']).toContain('application/problem+json')
  expect((await hub.api('GET', '/healthz')).status).toBe(200)
  expect((await hub.api('GET', '/metrics')).status).toBe(200)
  expect((await hub.api('GET', '/readyz')).status).toBe(503)
  expect((await storedKeys(hub, DECK)).length).toBeGreaterThanOrEqual(20)

  await disk.free()
  await until('the hub to accept again', () => driver.submit('again'), {
    accept: (status) => status === 201,
    everyMs: 100,
  })
  await driver.resendOpen()
  await settled(hub)
  expect((await hub.api('GET', '/readyz')).status).toBe(200)
  const account = ledger.account((await storedKeys(hub, DECK)).filter((key) => key !== 'refused'))
  expect(account).toMatchObject({ lost: [], invented: [], storedTwice: [], undelivered: [], idChanged: [] })
})

test('F-04 file size limit reached: refused with Retry-After, never a 201, and a start without the limit is whole', async () => {
  await using scene = await openScene({ launcher: ['prlimit', '--fsize=1500000'], driver: { padChars: 8_000 } })
  const { hub, ledger, driver } = scene
  const statuses: number[] = []
  for (let n = 0; n < 400; n += 1) {
    const status = await driver.submit(`n${n}`)
    statuses.push(status)
    if (status !== 201) break
  }
  const last = statuses.at(-1) as number
  // A write error that is not "full" may also end the process: then there is no answer, and no promise either.
  expect([...FULL, 0]).toContain(last)
  if (last !== 0) expect((await hub.api('GET', '/healthz')).status).toBe(200)
  await hub.restart({ launcher: [] })
  await driver.resendOpen()
  await settled(hub)
  const account = ledger.account(await storedKeys(hub, DECK))
  expect(account).toMatchObject({ lost: [], invented: [], storedTwice: [], undelivered: [], idChanged: [] })
})
