/** Trips the limits of filters and of the configuration file, where they are applied. */
import { writeFile } from 'node:fs/promises'
import { expect } from 'vitest'
import { readDocument } from '../../../core/config/document.ts'
import { readConfigText } from '../../../core/config/read-text.ts'
import { LIMITS } from '../../../core/limits.ts'
import { compileFilter } from '../../../core/routing/filter.ts'
import { tempDir } from '../../support/temp.ts'
import type { LimitCases } from './world.ts'

const nested = (depth: number): object => (depth === 0 ? { 'data.x': 1 } : { $and: [nested(depth - 1)] })
const accepts = (filter: unknown) => compileFilter(filter, LIMITS).ok
const fatal = (text: string) => readDocument({ file: 'x.yaml', text, env: {}, limits: LIMITS }).fatal

export const filters: LimitCases<
  | 'filterDepthMax'
  | 'filterNodesMax'
  | 'filterInItemsMax'
  | 'filterRegexCharsMax'
  | 'filterRegexSubjectCharsMax'
  | 'configBytesMax'
  | 'configNodesMax'
  | 'configDepthMax'
  | 'configAliasesMax'
> = {
  filterDepthMax: () => {
    expect(accepts(nested(2))).toBe(true)
    expect(accepts(nested(LIMITS.filterDepthMax + 1))).toBe(false)
  },
  filterNodesMax: () => {
    const either = (count: number) => ({ $or: Array.from({ length: count }, (_, n) => ({ 'data.x': n })) })
    expect(accepts(either(10))).toBe(true)
    expect(accepts(either(LIMITS.filterNodesMax + 1))).toBe(false)
  },
  filterInItemsMax: () => {
    const among = (count: number) => ({ 'data.x': { $in: Array.from({ length: count }, (_, n) => n) } })
    expect(accepts(among(LIMITS.filterInItemsMax))).toBe(true)
    expect(accepts(among(LIMITS.filterInItemsMax + 1))).toBe(false)
  },
  filterRegexCharsMax: () => {
    const regex = (chars: number) => ({ 'data.x': { $regex: `[${'a'.repeat(chars - 2)}]` } })
    expect(accepts(regex(LIMITS.filterRegexCharsMax))).toBe(true)
    expect(accepts(regex(LIMITS.filterRegexCharsMax + 1))).toBe(false)
  },
  filterRegexSubjectCharsMax: () => {
    const compiled = compileFilter({ 'data.x': { $regex: 'needle$' } }, LIMITS)
    if (!compiled.ok) throw new Error('the filter does not compile')
    const matches = (x: string) => compiled.match({ data: { x }, meta: {}, form: {}, response: {}, event: {} })
    expect(matches(`${'h'.repeat(100)}needle`)).toBe(true)
    expect(matches(`${'h'.repeat(LIMITS.filterRegexSubjectCharsMax)}needle`)).toBe(false)
  },
  configBytesMax: async () => {
    await using dir = await tempDir('config')
    await writeFile(dir.file('big.yaml'), `# ${'x'.repeat(LIMITS.configBytesMax)}`)
    expect(await readConfigText(dir.file('big.yaml'))).toMatchObject({
      message: expect.stringContaining(String(LIMITS.configBytesMax)),
    })
  },
  configNodesMax: () => {
    expect(fatal(`[${'1,'.repeat(1_000)}1]`)).toEqual([])
    expect(fatal(`[${'1,'.repeat(LIMITS.configNodesMax)}1]`)).not.toEqual([])
  },
  configDepthMax: () => {
    const deep = (depth: number) => `${'['.repeat(depth)}1${']'.repeat(depth)}`
    expect(fatal(deep(LIMITS.configDepthMax - 2))).toEqual([])
    expect(fatal(deep(LIMITS.configDepthMax + 1))).not.toEqual([])
  },
  configAliasesMax: () => {
    const aliases = (count: number) => `a: &a 1\nb: [${Array.from({ length: count }, () => '*a').join()}]\n`
    expect(fatal(aliases(LIMITS.configAliasesMax))).toEqual([])
    expect(fatal(aliases(LIMITS.configAliasesMax + 1))).not.toEqual([])
  },
}
