/** Whoever has a narrow key is led to nothing that it may not see, and offered nothing that it may not do. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { firstOf } from '../support/dashboard-paths.ts'
import { openScene } from '../support/dashboard-scene.ts'
import type { Scene } from '../support/dashboard-scene.ts'
import { visitorOf } from '../support/visitor.ts'

let scene: Scene
beforeAll(async () => {
  scene = await openScene()
}, 60_000)
afterAll(() => scene?.[Symbol.asyncDispose]())

const { ask, signIn } = visitorOf(() => scene.hub)

const keyOf = async (scopes: readonly string[]): Promise<string> =>
  (await scene.hub.api<{ key: string }>('POST', '/api/v2/keys', { name: 'narrow', scopes })).body.key

/** Of each kind of page. */
const PAGES_MAX = 2
const APART = /^\/(?:api|assets|docs|f)\/|^\/docs$|^\/openapi|^\/events\/live|csv/

const ANYBODYS: ReadonlySet<string> = new Set(['/theme', '/sign-out'])

/** Each kind of page that is led to and refused, with where the link stood. */
async function refusedTo(scopes: readonly string[], acted: boolean): Promise<readonly string[]> {
  const cookie = await signIn(await keyOf(scopes))
  const found = new Map([['/', 'the beginning']])
  const looked = new Map<string, number>()
  const refused: string[] = []
  for (const [path, from] of found) {
    const kind = (path.split('?')[0] as string).replaceAll(/[a-z]{3}_[\w-]{20,}/g, '{id}')
    looked.set(kind, (looked.get(kind) ?? 0) + 1)
    if ((looked.get(kind) ?? 0) > PAGES_MAX || APART.test(path)) continue
    const { status, text, location } = await ask(path, { cookie })
    if (status === 403 || status >= 500) refused.push(`${kind} ${status} from ${from}`)
    const acts = [...text.matchAll(/method="post" action="([^"]*)"/g)].map(([, action = '']) => action)
    if (!acted) refused.push(...acts.filter((act) => !ANYBODYS.has(act)).map((act) => `${act} is offered on ${kind}`))
    for (const [, href = ''] of [...text.matchAll(/href="(\/[^"]*)"/g), ['', location ?? path]]) {
      const next = href.replaceAll('&amp;', '&')
      if (!found.has(next)) found.set(next, kind)
    }
  }
  expect(found.size).toBeGreaterThan(1)
  return refused
}

const READS = ['forms:read', 'responses:read', 'analytics:read']

test.each([...READS.map((scope) => [scope]), READS])(
  'a key that may only read (%s) is offered nothing to do',
  async (...scopes) => {
    expect(await refusedTo(scopes, false)).toEqual([])
  },
)

test.each([['deliveries:write'], ['hooks:write'], [...READS, 'deliveries:write'], ['forms:write', 'analytics:read']])(
  'no page leads to one that the key (%s) may not see',
  async (...scopes) => {
    expect(await refusedTo(scopes, true)).toEqual([])
  },
)

test('a page where something is made or changed is refused before anything is typed', async () => {
  const cookie = await signIn(await keyOf(READS))
  const { body } = await scene.hub.api<{ items: { id: string }[] }>('GET', '/api/v2/analytics/saved')
  const saved = `/analytics/saved/${body.items[0]?.id}`
  const response = `/responses/${await firstOf(scene.hub, 'responses')}`
  const aside = `/quarantine/${await firstOf(scene.hub, 'quarantine')}`
  for (const path of [
    '/keys/new',
    '/forms/new',
    '/forms/guests/edit',
    '/forms/guests/delete',
    `${response}/delete`,
    `${aside}/discard`,
    `${saved}/edit`,
    `${saved}/delete`,
  ]) {
    const { status, text } = await ask(path, { cookie })
    expect([path, status, text.includes('This needs a key with the scope')]).toEqual([path, 403, true])
  }
})
