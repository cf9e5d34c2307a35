/** Names and sizes: kebab-case, no dumping grounds, files that can be read in one sitting, a first line that says why. */
import { readdirSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { ROOT } from '../support/hub.ts'
import { listFiles, readSources } from './sources.ts'

const FILE_LINES_MAX = 400
const TOP_LEVEL = [
  'LICENSE',
  'README.md',
  'core',
  'integrations',
  'package-lock.json',
  'package.json',
  'plugins',
  'test',
  'tsconfig.json',
  'zapier-app',
]
const FORBIDDEN = /^(utils?|helpers?|common|shared|lib|libs|misc|stuff|tools)$/
const KEBAB = /^[a-z0-9]+(-[a-z0-9]+)*$/
/** Names that the world outside gives. */
const GIVEN =
  /^(README\.md|ARCHITECTURE\.md|CAPACITY\.md|LICENSE|Dockerfile(\.dockerignore)?|[a-z-]+@\.service|\.[a-z.]+)$/

/** What is wrong with a path's names, or null. */
function badName(path: string): string | null {
  const parts = path.split('/')
  const file = parts.pop() as string
  const stem = file.split('.')[0] as string
  const wrong = [...parts, stem].find((part) => FORBIDDEN.test(part))
  if (wrong !== undefined) return `${path}: "${wrong}" says nothing about what is inside`
  if (GIVEN.test(file)) return null
  const odd = [...parts, ...file.split('.')].find((part) => !KEBAB.test(part))
  return odd === undefined ? null : `${path}: "${odd}" is not kebab-case`
}

const tooLong = ({ path, text }: { path: string; text: string }): string | null => {
  const lines = text.trimEnd().split('\n').length
  return lines > FILE_LINES_MAX ? `${path}: ${lines} lines` : null
}

/** The first line, or the first line of its doc comment, is a sentence. */
const noFirstSentence = ({ path, text }: { path: string; text: string }): string | null => {
  const first = text.startsWith('#!') ? text.slice(text.indexOf('\n') + 1) : text
  const comment = /^(?:\/\*\*\s*\n?\s*\*?\s*|\/\/ )([^\n]*)/.exec(first)?.[1] ?? ''
  return comment.length > 20 ? null : `${path}: the first line does not say what the file is for`
}

const sources = readSources(ROOT)
const isMeasured = (path: string) => !path.includes('/data/')

describe('names', () => {
  const files = listFiles(ROOT).filter(isMeasured)
  test('of all files and folders', () => {
    expect(files.length).toBeGreaterThan(80)
    expect(files.map(badName).filter(Boolean)).toEqual([])
  })
  test.each([
    'core/utils/x.ts',
    'core/ingest/helpers.ts',
    'core/Ingest/x.ts',
    'plugins/a/myFile.ts',
    'test/support/snake_case.ts',
    'core/common.ts',
  ])('%s would be refused', (path) => expect(badName(path)).not.toBeNull())
  test('of the top level', () => {
    expect(
      readdirSync(ROOT)
        .filter((name) => !name.startsWith('.') && name !== 'node_modules')
        .toSorted(),
    ).toEqual(TOP_LEVEL)
  })
})

describe('sizes', () => {
  test(`no file is longer than ${FILE_LINES_MAX} lines`, () => {
    expect(sources.map(tooLong).filter(Boolean)).toEqual([])
    expect(tooLong({ path: 'x', text: 'a\n'.repeat(FILE_LINES_MAX + 1) })).not.toBeNull()
  })
})

describe('first lines', () => {
  test('say what the file is for', () => {
    expect(sources.map(noFirstSentence).filter(Boolean)).toEqual([])
    expect(noFirstSentence({ path: 'x', text: "import { x } from './y.ts'\n" })).not.toBeNull()
  })
})

test('no test is set aside', () => {
  const aside = sources.filter(
    ({ path, text }) => path.endsWith('.test.ts') && /\b(test|it|describe)\.(only|skip|todo)\b/.test(text),
  )
  expect(aside.map(({ path }) => path).filter((path) => !path.startsWith('test/architecture/'))).toEqual([])
})
