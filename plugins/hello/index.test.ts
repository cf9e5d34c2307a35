/** The example's test, to start from: a form, some answers, and what the plugin made of them. */
import { expect, test } from 'vitest'
import { testPlugin } from 'manifold/plugin/testing'

const FORMS = {
  survey: { name: 'Survey', fields: [{ key: 'colour', type: 'select' as const, options: ['blue', 'red'] }] },
}

test('it greets each response and counts what people answered', async () => {
  await using plugin = await testPlugin({ dir: import.meta.dirname, config: { question: 'colour' }, forms: FORMS })
  const { eventIds } = await plugin.submit('survey', { colour: 'blue' })
  await plugin.submit('survey', { colour: 'red' })
  await plugin.submit('survey', { colour: 'blue' })
  await plugin.submit('survey', {})
  expect(await plugin.tallies('answer:')).toEqual({ 'answer:blue': 2, 'answer:red': 1, 'answer:another': 1 })
  expect(await plugin.kv.get('first-response')).toBe(eventIds[0])
  expect(plugin.logs().map(({ message }) => message)).toEqual([
    'Hello first response to Survey',
    'Hello response to Survey',
    'Hello response to Survey',
    'Hello response to Survey',
  ])
})
