/**
 * Slack's limits, and how a message is made to fit: a text that is too long is cut between code points, never inside an
 * entity or a link, and ends with "…". What is counted is what is sent: the escaped text.
 *
 * Limits: docs.slack.dev/reference/block-kit/blocks; the sum over all blocks is not documented but answered with
 * `msg_blocks_too_long` (github.com/slackapi/bolt-js/issues/2509).
 */
import type { Json } from 'manifold/plugin'

/** UTF-16 units of a text where nothing else is said. */
export const SLACK_LIMITS = {
  /** The fallback; Slack takes 40,000 and cuts what is longer than about 4,000 into pieces. */
  textChars: 4_000,
  blocks: 50,
  sectionChars: 3_000,
  sectionFields: 10,
  fieldChars: 2_000,
  headerChars: 150,
  contextElements: 10,
  actionsElements: 25,
  blockIdChars: 255,
  markdownChars: 12_000,
  buttonChars: 75,
  altTextChars: 2_000,
  titleChars: 2_000,
  allBlocksChars: 13_200,
} as const

/** An entity, a link or mention, a backslash with what it escapes, or one code point: what is never cut in two. */
const UNIT = /&(?:amp|lt|gt);|<[^<>\n]*>|\\[\\[\]()!]|[^]/gu
const CUT = '…'

/** The text itself, or as much of it as fits with "…" behind. */
export function cut(text: string, charsMax: number): string {
  if (text.length <= charsMax) return text
  if (charsMax < CUT.length) return ''
  let kept = ''
  for (const [unit] of text.matchAll(UNIT)) {
    if (kept.length + unit.length > charsMax - CUT.length) break
    kept += unit
  }
  return kept + CUT
}

export interface FittedBlocks {
  readonly blocks: readonly Json[]
  /** What was cut or left out, for the log. */
  readonly losses: readonly string[]
}

type Fields = { readonly [name: string]: Json }

/** What is left of the sums over a message, and what did not fit. */
interface Room {
  chars: number
  markdownChars: number
  readonly losses: string[]
}

/** Rendered blocks as Slack takes them; those without any text are left out, since Slack refuses them. */
export function fitBlocks(blocks: readonly Json[]): FittedBlocks {
  const { allBlocksChars, markdownChars } = SLACK_LIMITS
  const room: Room = { chars: allBlocksChars, markdownChars, losses: [] }
  const fitted = blocks.flatMap((block, at) => {
    const kept = isFields(block) ? fitBlock(block, room, `block ${at + 1}`) : block
    return kept === null ? [] : [kept]
  })
  if (fitted.length > SLACK_LIMITS.blocks) room.losses.push(`blocks after ${SLACK_LIMITS.blocks}`)
  return { blocks: fitted.slice(0, SLACK_LIMITS.blocks), losses: room.losses }
}

function fitBlock(block: Fields, room: Room, where: string): Json | null {
  const named = withId(block)
  switch (block['type']) {
    case 'header':
      return withText(named, { charsMax: SLACK_LIMITS.headerChars, room, where })
    case 'markdown':
      return withText(named, { charsMax: room.markdownChars, room, where })
    case 'section':
      return fitSection(named, room, where)
    case 'context':
      return withElements(named, { max: SLACK_LIMITS.contextElements, room, where })
    case 'actions':
      return withElements(named, { max: SLACK_LIMITS.actionsElements, room, where })
    default:
      return fitElement(named, room, where)
  }
}

const withId = (block: Fields): Fields =>
  typeof block['block_id'] === 'string'
    ? { ...block, block_id: Array.from(block['block_id']).slice(0, SLACK_LIMITS.blockIdChars).join('') }
    : block

interface Place {
  readonly charsMax: number
  readonly room: Room
  readonly where: string
}

/** A block whose `text` is a text object, or of `markdown` a text; null when nothing of it is left. */
function withText(block: Fields, place: Place): Json | null {
  const text = fitText(block['text'] as Json, place)
  if (text === null) return null
  if (block['type'] === 'markdown' && typeof text === 'string') place.room.markdownChars -= text.length
  return { ...block, text }
}

function fitSection(block: Fields, room: Room, where: string): Json | null {
  const { text, fields, accessory, ...rest } = block
  const kept = text === undefined ? null : fitText(text, { charsMax: SLACK_LIMITS.sectionChars, room, where })
  const list = (Array.isArray(fields) ? (fields as readonly Json[]) : []).flatMap((field) => {
    const fitted = fitText(field, { charsMax: SLACK_LIMITS.fieldChars, room, where: `${where}, a field` })
    return fitted === null ? [] : [fitted]
  })
  if (list.length > SLACK_LIMITS.sectionFields) room.losses.push(`${where}: fields after ${SLACK_LIMITS.sectionFields}`)
  if (kept === null && list.length === 0) return null
  const inFields = list.length === 0 ? {} : { fields: list.slice(0, SLACK_LIMITS.sectionFields) }
  const beside = accessory === undefined ? null : fitElement(accessory, room, `${where}, accessory`)
  return {
    ...rest,
    ...(kept === null ? {} : { text: kept }),
    ...inFields,
    ...(beside === null ? {} : { accessory: beside }),
  }
}

function withElements(block: Fields, { max, room, where }: { max: number; room: Room; where: string }): Json | null {
  const elements = Array.isArray(block['elements']) ? (block['elements'] as readonly Json[]) : []
  const fitted = elements.flatMap((element) => {
    const isText = isFields(element) && (element['type'] === 'mrkdwn' || element['type'] === 'plain_text')
    const kept = isText
      ? fitText(element, { charsMax: SLACK_LIMITS.sectionChars, room, where })
      : fitElement(element, room, `${where}, an element`)
    return kept === null ? [] : [kept]
  })
  if (fitted.length > max) room.losses.push(`${where}: elements after ${max}`)
  return fitted.length === 0 ? null : { ...block, elements: fitted.slice(0, max) }
}

/** A button, an image, or another element; null when nothing of it is left. An image is a block as well. */
function fitElement(element: Json, room: Room, where: string): Json | null {
  if (!isFields(element)) return element
  switch (element['type']) {
    case 'button': {
      const text = fitText(element['text'] as Json, { charsMax: SLACK_LIMITS.buttonChars, room, where })
      return text === null ? null : { ...element, text }
    }
    case 'image': {
      const { alt_text, title, ...rest } = element
      const alt = typeof alt_text === 'string' ? { alt_text: cut(alt_text, SLACK_LIMITS.altTextChars) } : {}
      const kept = title === undefined ? null : fitText(title, { charsMax: SLACK_LIMITS.titleChars, room, where })
      return { ...rest, ...alt, ...(kept === null ? {} : { title: kept }) }
    }
    default:
      return spent(element, room, where)
  }
}

/** A text object, or a text; null when it is empty, or there is no room for any of it. */
function fitText(value: Json, { charsMax, room, where }: Place): Json | null {
  const text = isFields(value) ? value['text'] : value
  if (typeof text !== 'string') return value
  const short = cut(text, Math.min(charsMax, Math.max(0, room.chars)))
  if (short !== text) room.losses.push(`${where}: ${text.length - short.length} characters`)
  room.chars -= short.length
  if (short.trim() === '') return null
  return isFields(value) ? { ...value, text: short } : short
}

/** A kind of block or element that is not cut: whole, or not at all. */
function spent(block: Fields, room: Room, where: string): Json | null {
  const chars = textChars(block)
  if (chars > room.chars) {
    room.losses.push(where)
    return null
  }
  room.chars -= chars
  return block
}

function textChars(value: Json): number {
  if (Array.isArray(value)) return (value as readonly Json[]).reduce<number>((sum, item) => sum + textChars(item), 0)
  if (!isFields(value)) return 0
  return Object.entries(value).reduce(
    (sum, [name, item]) => sum + (name === 'text' && typeof item === 'string' ? item.length : textChars(item)),
    0,
  )
}

const isFields = (value: Json): value is Fields => typeof value === 'object' && value !== null && !Array.isArray(value)
