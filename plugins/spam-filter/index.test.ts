/** What it puts aside, what it lets through, and that the sender's answers stay as they are. */
import { expect, test } from 'vitest'
import { conformance, testPlugin } from 'manifold/plugin/testing'
import type { TestPluginOptions } from 'manifold/plugin/testing'

const TEXTS = ['name', 'company', 'message'].map((key) => ({ key, type: 'long_text' as const }))
const forms = {
  contact: {
    name: 'Contact',
    fields: [...TEXTS, { key: 'email', type: 'email' as const, pii: true }, { key: 'topics' }],
  },
}
const config = { words: ['casino', 'crypto'], domains: ['evil.example'] }
const open = (more: Partial<TestPluginOptions> = {}) =>
  testPlugin({ dir: import.meta.dirname, forms, config, grants: { pii: true }, ...more })

test.each([
  ['words', { message: 'The best CASINO, now with Crypto!' }, 'says "casino", says "crypto"'],
  [
    'letters that only look other',
    { message: '\uff43asino and \uff23\uff32\uff39\uff30\uff34\uff2f' },
    'says "casino", says "crypto"',
  ],
  ['a domain in a link', { message: 'see http://shop.evil.example/x' }, 'names evil.example'],
  ['a domain in an address', { email: 'eve@evil.example' }, 'names evil.example'],
  [
    'many links',
    { message: 'http://a.example http://b.example www.c.example https://d.example www.e.example www.f.example' },
    'has 6 links',
  ],
  [
    'filling before the words',
    { message: 'w'.repeat(25_000), company: 'casino crypto' },
    'is too long to judge: more than 20000 characters',
  ],
  [
    'letters that become many',
    { message: '\ufdfa'.repeat(2_000), company: 'casino crypto' },
    'is too long to judge: more than 20000 characters',
  ],
  [
    'words within words, and one that begins as another',
    { message: 'megacryptocasinos casin' },
    'says "casino", says "crypto"',
  ],
  [
    'the same everywhere, and a word',
    { name: 'casino', company: 'casino', message: 'casino' },
    'says "casino", says the same everywhere',
  ],
])('%s: put aside, nothing is handled', async (_what, answers, why) => {
  await using plugin = await open()
  const { response, eventIds } = await plugin.submit('contact', answers)
  expect([response.verdict, response.message, eventIds]).toEqual(['flagged', why, []])
})

test.each([
  ['plain talk', { name: 'Ada', message: 'Hello, see https://ada.example and http://bob.example' }, 0],
  ['one word', { message: 'Is a casino a topic?' }, 2],
  ['a name that only ends like it', { message: 'http://devil.example https://evil.example.org' }, 0],
  ['one link too many', { message: 'http://a.example http://b.example http://c.example' }, 1],
])('%s: stored as it is, with its points', async (_what, answers, points) => {
  await using plugin = await open()
  const { response } = await plugin.submit('contact', answers)
  expect(response).toMatchObject({ verdict: null, data: answers, meta: { spam_points: points } })
})

test('what it may not see is not looked at', async () => {
  await using plugin = await open({ grants: {} })
  const { response } = await plugin.submit('contact', { email: 'eve@evil.example' })
  expect(response).toMatchObject({ verdict: null, data: { email: 'eve@evil.example' } })
})

test('conforms', async () => {
  await conformance(import.meta.dirname)
})
