/** What is wrong with a question, and where: of several ways to write something the nearest, and each word that nobody knows. */
import { expect, test } from 'vitest'
import { funnels } from '../../plugins/analytics/behaviour/funnels.ts'
import { readAs } from '../../plugins/analytics/query/failure.ts'
import { Refusal } from '../../plugins/analytics/query/refusal.ts'

function mistakes(question: object): readonly (readonly [string, string])[] {
  try {
    readAs(funnels.schema, question)
    return []
  } catch (error) {
    if (!(error instanceof Refusal)) throw error
    return error.mistakes.map(({ pointer, detail }) => [pointer, detail])
  }
}
const steps = ['/', 'signup']

test('what is excluded is written as a step is, with or without where', () => {
  expect(mistakes({ steps, exclude: [{ what: 'refund' }, { what: { type: 'click' }, between: [1, 2] }] })).toEqual([])
  expect(mistakes({ steps, exclude: [{ event: 'refund' }] }).map(([pointer]) => pointer)).toEqual([
    '/exclude/0/what',
    '/exclude/0/event',
  ])
})

test('each word that is not known stands for itself, also inside what may be written in two ways', () => {
  const unknown = 'is not known here; check the spelling'
  expect(mistakes({ steps, windw: '7d', braekdown: 'device' })).toEqual([
    ['/windw', unknown],
    ['/braekdown', unknown],
  ])
  expect(mistakes({ steps: ['/', { evnt: 'signup', event: 'x' }] })).toEqual([['/steps/1/evnt', unknown]])
  const [[pointer, detail] = ['', '']] = mistakes({ steps: ['/', { label: 'x' }] })
  expect([pointer, detail]).toEqual(['/steps/1', expect.stringContaining('say which events are meant')])
})
