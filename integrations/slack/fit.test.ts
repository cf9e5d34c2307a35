/** Slack's limits: what is too long is cut, at the right places, and the double takes what comes out. */
import { expect, test } from 'vitest'
import type { Json } from 'manifold/plugin'
import { problemOf } from './fake/block-rules.ts'
import { cut, fitBlocks, SLACK_LIMITS } from './fit.ts'
import { messageOf } from './message.ts'
import { viewOf } from './view.ts'

const button = (text: string): Json => ({ type: 'button', action_id: 'a', text: { type: 'plain_text', text } })
const image = (said: string) => ({ type: 'image', image_url: 'https://example.org/i.png', alt_text: said })
const section = (text: string): Json => ({ type: 'section', text: { type: 'mrkdwn', text } })

test('a text is cut between code points, entities and links, and the escaped length counts', () => {
  expect(cut('short', 5)).toBe('short')
  expect(cut('longer', 5)).toBe('long…')
  expect(cut('👩‍🚀👩‍🚀👩‍🚀', 6)).toBe('👩‍🚀…')
  expect(cut('😀😀😀', 4)).toBe('😀…')
  expect(cut('a&amp;b&lt;c', 6)).toBe('a…')
  expect(cut('a&amp;b&lt;c', 7)).toBe('a&amp;…')
  expect(cut('see <https://example.org|it> now', 20)).toBe('see …')
  expect(cut(String.raw`ab\[cd`, 4)).toBe('ab…')
  for (let max = 0; max < 60; max += 1) {
    const short = cut('&amp;'.repeat(5) + '😀'.repeat(5) + 'x'.repeat(20), max)
    expect(short.length).toBeLessThanOrEqual(max)
    expect(short).not.toMatch(/&(?!amp;)|[\uD800-\uDBFF](?![\uDC00-\uDFFF])/)
  }
})

test.each<[string, Json, unknown]>([
  ['a section', section('x'.repeat(4_000)), { text: { text: `${'x'.repeat(SLACK_LIMITS.sectionChars - 1)}…` } }],
  [
    'a header',
    { type: 'header', text: { type: 'plain_text', text: 'x'.repeat(200) } },
    { text: { text: `${'x'.repeat(149)}…` } },
  ],
  [
    'fields',
    { type: 'section', fields: Array.from({ length: 12 }, () => ({ type: 'mrkdwn', text: 'x'.repeat(1_000) })) },
    { fields: { length: 10 } },
  ],
  [
    'a field',
    { type: 'section', fields: [{ type: 'mrkdwn', text: 'x'.repeat(2_100) }] },
    { fields: [{ text: `${'x'.repeat(1_999)}…` }] },
  ],
  [
    'a context',
    { type: 'context', elements: Array.from({ length: 11 }, () => ({ type: 'mrkdwn', text: 'x' })) },
    { elements: { length: 10 } },
  ],
  [
    'actions',
    {
      type: 'actions',
      elements: Array.from({ length: 26 }, (_, n) => ({
        type: 'button',
        action_id: `a${n}`,
        text: { type: 'plain_text', text: 'x' },
      })),
    },
    { elements: { length: 25 } },
  ],
  [
    'a button',
    { type: 'actions', elements: [button('x'.repeat(80)), button(' ')] },
    { elements: [{ text: { text: `${'x'.repeat(74)}…` } }] },
  ],
  [
    'a button beside a text',
    { type: 'section', text: { type: 'mrkdwn', text: 'x' }, accessory: button('y'.repeat(80)) },
    { accessory: { text: { text: `${'y'.repeat(74)}…` } } },
  ],
  [
    'an image',
    { ...image('x'.repeat(2_100)), title: { type: 'plain_text', text: 'y'.repeat(2_100) } },
    { alt_text: `${'x'.repeat(1_999)}…`, title: { text: `${'y'.repeat(1_999)}…` } },
  ],
  [
    'an image in a context',
    { type: 'context', elements: [image('x'.repeat(2_100)), { type: 'mrkdwn', text: 'by' }] },
    { elements: [{ alt_text: `${'x'.repeat(1_999)}…` }, { text: 'by' }] },
  ],
  ['a block id', { type: 'divider', block_id: 'x'.repeat(300) }, { block_id: 'x'.repeat(255) }],
  ['markdown', { type: 'markdown', text: 'x'.repeat(12_500) }, { text: `${'x'.repeat(11_999)}…` }],
])('%s', (_name, block, expected) => {
  const { blocks } = fitBlocks([block])
  expect(blocks).toMatchObject([expected])
  expect(problemOf({ text: 'x', blocks })).toBeNull()
})

test('fifty blocks, and 13,200 characters over all of them', () => {
  const many = fitBlocks(Array.from({ length: 60 }, () => section('x')))
  expect(many.blocks).toHaveLength(50)
  expect(many.losses).toEqual(['blocks after 50'])
  const long = fitBlocks(Array.from({ length: 8 }, () => section('q'.repeat(2_500))))
  expect(long.blocks).toHaveLength(6)
  expect(JSON.stringify(long.blocks).match(/q|…/g)).toHaveLength(SLACK_LIMITS.allBlocksChars)
  expect(problemOf({ text: 'x', blocks: long.blocks })).toBeNull()
  const rich = fitBlocks([
    ...Array.from({ length: 5 }, () => section('x'.repeat(2_600))),
    {
      type: 'rich_text',
      elements: [{ type: 'rich_text_section', elements: [{ type: 'text', text: 'x'.repeat(500) }] }],
    },
  ])
  expect(rich.losses).toEqual(['block 6'])
})

test('what stands beside a text counts too', () => {
  const options = Array.from({ length: 40 }, (_, n) => ({
    text: { type: 'plain_text', text: 'x'.repeat(70) },
    value: `${n}`,
  }))
  const menu = { type: 'overflow', action_id: 'a', options }
  const beside = (accessory: Json): Json => ({
    type: 'section',
    text: { type: 'mrkdwn', text: 'x'.repeat(2_000) },
    accessory,
  })
  const buttons = { type: 'actions', elements: [button('x'.repeat(75))] }
  const { blocks, losses } = fitBlocks([beside(menu), beside(menu), beside(menu), buttons])
  expect(problemOf({ text: 'x', blocks })).toBeNull()
  expect(losses).toEqual(['block 3, accessory'])
  expect(blocks[2]).not.toHaveProperty('accessory')
})

test('blocks without a text are left out, since Slack refuses them', () => {
  const { blocks } = fitBlocks([
    section('  '),
    { type: 'header', text: { type: 'plain_text', text: '' } },
    {
      type: 'section',
      fields: [
        { type: 'mrkdwn', text: '' },
        { type: 'mrkdwn', text: 'kept' },
      ],
    },
    { type: 'context', elements: [{ type: 'mrkdwn', text: '' }] },
    { type: 'divider' },
  ])
  expect(blocks).toEqual([{ type: 'section', fields: [{ type: 'mrkdwn', text: 'kept' }] }, { type: 'divider' }])
})

test('answers that are nothing but markup and as long as can be: always a message that Slack takes', () => {
  const nasty = ['&<>'.repeat(20_000), '<!channel>'.repeat(2_000), '😀'.repeat(30_000), '\n'.repeat(100), '']
  for (const answer of nasty) {
    const view = viewOf({ data: { a: answer } })
    const blocks = [
      { type: 'header', text: { type: 'plain_text', text: '{{data.a}}' } },
      section('{{data.a}}'),
      section('*{{{data.a}}}*'),
      { type: 'section', fields: [{ type: 'mrkdwn', text: '{{&data.a}}' }] },
      { type: 'context', elements: [{ type: 'plain_text', text: '{{data.a}}' }] },
    ]
    const message = messageOf({ text: '{{data.a}}', blocks }, view)
    expect(problemOf({ ...message })).toBeNull()
    expect(message.text.length).toBeLessThanOrEqual(SLACK_LIMITS.textChars)
    const marked = JSON.stringify([message.text, ...(message.blocks ?? []).slice(1, 4)])
    expect(marked).not.toMatch(/<!channel>/)
  }
})

test('no name that an answer brings makes a mention or a link, nor does a value, in any tag and markup', () => {
  const nasty = {
    '<!channel> <https://evil.example|log in>': 1,
    'a&b': { '[Log in](https://evil.example)': ['<@U1>'] },
  }
  const view = viewOf({ data: { a: nasty } })
  for (const tag of ['{{data.a}}', '{{{data.a}}}', '{{&data.a}}']) {
    const blocks = [section(tag), { type: 'markdown', text: tag }]
    const said = JSON.stringify(messageOf({ text: tag, blocks }, view))
    expect(said).toContain('&lt;!channel&gt;')
    expect(said).not.toMatch(/[<>]/)
  }
})

test('in a markdown block an answer is text, whatever brackets and backslashes it has', () => {
  const link = 'https://evil.example'
  const nasty = [
    `[Log in](${link})`,
    String.raw`\[Log in](${link})`,
    String.raw`\\[a\](${link})`,
    `![x](${link})`,
    `[a]: ${link}`,
  ]
  for (const answer of nasty) {
    const { blocks } = messageOf(
      { text: 'x', blocks: [{ type: 'markdown', text: '[mine](https://own.example) {{{data.a}}}' }] },
      viewOf({ data: { a: answer } }),
    )
    const text = String((blocks?.[0] as { text: string } | undefined)?.text)
    const [, shown = ''] = /^\[mine\]\(https:\/\/own\.example\) (.*)$/.exec(text) ?? []
    // Each bracket stands behind an odd number of backslashes.
    expect(shown.replaceAll(/\\[\\[\]()!]/g, '')).not.toMatch(/[\\[\]()!]/)
    expect(shown.replaceAll(/\\([\\[\]()!])/g, '$1')).toBe(answer)
  }
})

test('mrkdwn with an answer in it is taken as it stands, so that no bare address or name becomes a link', () => {
  const { blocks } = messageOf(
    {
      text: 'x',
      blocks: [
        section('{{data.a}}'),
        section('https://own.example'),
        { type: 'section', text: { type: 'mrkdwn', text: '{{data.a}}', verbatim: false } },
        { type: 'context', elements: [{ type: 'mrkdwn', text: 'by {{data.a}}' }] },
      ],
    },
    viewOf({ data: { a: 'https://evil.example #general' } }),
  )
  expect(JSON.parse(JSON.stringify(blocks))).toMatchObject([
    { text: { verbatim: true, text: 'https://evil.example #general' } },
    { text: { text: 'https://own.example' } },
    { text: { verbatim: false } },
    { elements: [{ verbatim: true }] },
  ])
  expect(blocks?.[1]).not.toHaveProperty('text.verbatim')
})
