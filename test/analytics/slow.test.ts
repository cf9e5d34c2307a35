/** Questions that took long outlive a restart, as many as there is room for and not for ever. */
import { readFile, stat, writeFile } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { SlowQuestions } from '../../plugins/analytics/slow/questions.ts'
import { tempDir } from '../support/temp.ts'

const say = (): undefined => undefined
const ask = (slow: SlowQuestions, body: string): Promise<unknown> =>
  slow.watch('POST /query', { body, query: {}, params: {} }, async () => ({}))
const textsOf = (slow: SlowQuestions): readonly string[] =>
  (slow.list().json as { items: { text: string }[] }).items.map(({ text }) => text)

test('after a restart they are there, the latest first, a hundred of them; nobody else reads the file', async () => {
  await using dir = await tempDir('slow')
  const options = { fromMs: 0, dir: dir.path, say }
  const first = await SlowQuestions.open(options)
  for (let n = 0; n < 120; n += 1) await ask(first, `question ${n} ${'x'.repeat(3_000)}`)
  await first.close()
  expect((await stat(dir.file('slow.json'))).mode & 0o777).toBe(0o600)
  const second = await SlowQuestions.open(options)
  const texts = textsOf(second)
  expect([texts.length, texts[0]?.slice(0, 13), texts[0]?.length]).toEqual([100, 'question 119 ', 2_000])
  await ask(second, 'one more')
  await second.close()
  expect(textsOf(await SlowQuestions.open(options)).slice(0, 2)).toEqual(['one more', texts[0]])
})

test('those of more than seven days are gone, and a file that is none stands in nobody’s way', async () => {
  await using dir = await tempDir('slow')
  const options = { fromMs: 0, dir: dir.path, say }
  const slow = await SlowQuestions.open(options)
  await ask(slow, 'old')
  await ask(slow, 'new')
  await slow.close()
  const kept = JSON.parse(await readFile(dir.file('slow.json'), 'utf8')) as { at: string; text: string }[]
  const aged = kept.map((each) =>
    each.text === 'old' ? { ...each, at: new Date(Date.now() - 7 * 86_400_000 - 1_000).toISOString() } : each,
  )
  await writeFile(dir.file('slow.json'), JSON.stringify(aged))
  expect(textsOf(await SlowQuestions.open(options))).toEqual(['new'])
  await writeFile(dir.file('slow.json'), '[{"at":')
  expect(textsOf(await SlowQuestions.open(options))).toEqual([])
})
