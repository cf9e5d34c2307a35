/** What Slack refuses in a message, with its word and its explanations; written apart from what the connector keeps to. */

export interface Problem {
  readonly word: string
  readonly messages?: readonly string[]
}

type Fields = { readonly [name: string]: unknown }

const TEXT_CHARS_MAX = 40_000
const ALL_CHARS_MAX = 13_200
const BLOCKS_MAX = 50
const TEXT_MAX: Readonly<Record<string, number>> = { header: 150, section: 3_000, markdown: 12_000 }
const KNOWN = new Set(['section', 'header', 'context', 'actions', 'divider', 'image', 'markdown', 'rich_text'])

/** Null: it would be posted. */
export function problemOf(body: Fields): Problem | null {
  const { text, blocks } = body
  if (blocks !== undefined && !Array.isArray(blocks)) return { word: 'invalid_blocks_format' }
  const list = (blocks ?? []) as readonly unknown[]
  if ((typeof text !== 'string' || text.trim() === '') && list.length === 0) return { word: 'no_text' }
  if (typeof text === 'string' && text.length > TEXT_CHARS_MAX) return { word: 'msg_too_long' }
  const messages =
    list.length > BLOCKS_MAX ? [`[ERROR] no more than ${BLOCKS_MAX} items allowed [json-pointer:/blocks]`] : []
  for (const [at, block] of list.entries()) messages.push(...wrongIn(block as Fields, `/blocks/${at}`))
  if (messages.length > 0) return { word: 'invalid_blocks', messages }
  if (list.reduce<number>((sum, block) => sum + charsIn(block), 0) > ALL_CHARS_MAX)
    return { word: 'msg_blocks_too_long' }
  return null
}

function wrongIn(block: Fields, at: string): readonly string[] {
  const type = String(block['type'])
  if (!KNOWN.has(type)) return [`[ERROR] unsupported type: ${type} [json-pointer:${at}/type]`]
  const wrong: string[] = []
  const id = block['block_id']
  if (typeof id === 'string' && id.length > 255)
    wrong.push(`[ERROR] must be less than 256 characters [json-pointer:${at}/block_id]`)
  const max = TEXT_MAX[type]
  if (max !== undefined && (block['text'] !== undefined || type !== 'section'))
    wrong.push(...wrongText(type === 'markdown' ? block['text'] : textIn(block['text']), max, `${at}/text`))
  if (type === 'header' && (block['text'] as Fields | undefined)?.['type'] !== 'plain_text')
    wrong.push(`[ERROR] unsupported type: mrkdwn [json-pointer:${at}/text/type]`)
  if (type === 'section') wrong.push(...wrongFields(block, at))
  if (type === 'image') wrong.push(...wrongElement(block, at))
  if (type === 'section' && block['accessory'] !== undefined)
    wrong.push(...wrongElement(block['accessory'], `${at}/accessory`))
  for (const [n, element] of Array.isArray(block['elements']) ? block['elements'].entries() : [])
    wrong.push(...wrongElement(element, `${at}/elements/${n}`))
  if (type === 'context') wrong.push(...wrongList(block['elements'], 10, `${at}/elements`))
  if (type === 'actions') wrong.push(...wrongList(block['elements'], 25, `${at}/elements`))
  return wrong
}

/** Of what stands in a block or is one: a button's text, what is said of an image. */
function wrongElement(value: unknown, at: string): readonly string[] {
  if (typeof value !== 'object' || value === null) return [`[ERROR] must be an object [json-pointer:${at}]`]
  const { type, text, alt_text, title } = value as Fields
  if (type === 'button') return wrongText(textIn(text), 75, `${at}/text/text`)
  if (type !== 'image') return []
  const wrongTitle = title === undefined ? [] : wrongText(textIn(title), 2_000, `${at}/title/text`)
  return [...wrongText(alt_text, 2_000, `${at}/alt_text`), ...wrongTitle]
}

function wrongFields(block: Fields, at: string): readonly string[] {
  const { fields } = block
  if (fields === undefined)
    return block['text'] === undefined ? [`[ERROR] missing required field: text [json-pointer:${at}]`] : []
  const texts = Array.isArray(fields) ? fields : []
  return [
    ...wrongList(fields, 10, `${at}/fields`),
    ...texts.flatMap((field: unknown, n) => wrongText(textIn(field), 2_000, `${at}/fields/${n}/text`)),
  ]
}

function wrongList(value: unknown, max: number, at: string): readonly string[] {
  if (!Array.isArray(value) || value.length === 0) return [`[ERROR] no less than 1 items allowed [json-pointer:${at}]`]
  return value.length > max ? [`[ERROR] no more than ${max} items allowed [json-pointer:${at}]`] : []
}

function wrongText(text: unknown, max: number, at: string): readonly string[] {
  if (typeof text !== 'string' || text.length === 0)
    return [`[ERROR] must be more than 0 characters [json-pointer:${at}]`]
  return text.length > max ? [`[ERROR] must be less than ${max + 1} characters [json-pointer:${at}]`] : []
}

const textIn = (value: unknown): unknown =>
  typeof value === 'object' && value !== null ? (value as Fields)['text'] : undefined

function charsIn(value: unknown): number {
  if (Array.isArray(value)) return value.reduce<number>((sum, item) => sum + charsIn(item), 0)
  if (typeof value !== 'object' || value === null) return 0
  return Object.entries(value).reduce(
    (sum, [name, item]) => sum + (name === 'text' && typeof item === 'string' ? item.length : charsIn(item)),
    0,
  )
}
