/**
 * Formbricks: https://formbricks.com/docs/xm-and-surveys/core-features/integrations/webhooks; shape and signature as sent by
 * apps/web/app/api/(internal)/pipeline/lib/processor.ts of formbricks/formbricks: Standard Webhooks with a `whsec_` secret, a
 * new `webhook-id` for each event, one attempt of five seconds and no retry. Answers are by question id, without the questions.
 */
import type { Json } from 'manifold/plugin'
import { guessed, keyOf, objectAt, textAt, timeAt, Unreadable } from './arrival.ts'
import type { Answer, Arrival, Fields, Passed } from './arrival.ts'

const EVENTS: ReadonlySet<string> = new Set(['responseCreated', 'responseUpdated', 'responseFinished'])

/** One response under its id, from the first answer to the last. */
export function readFormbricks(body: Fields): Arrival | Passed {
  const event = textAt(body['event']) ?? ''
  if (!EVENTS.has(event)) return { passed: `an event "${event.slice(0, 50)}"` }
  const data = objectAt(body['data'])
  const id = textAt(data['id'])
  if (id === null) throw new Unreadable('/data/id is missing')
  const formId = textAt(data['surveyId'])
  if (formId === null) throw new Unreadable('/data/surveyId is missing')
  const isOver = event === 'responseFinished' || data['finished'] === true
  return {
    id,
    formId,
    formName: textAt(objectAt(data['survey'])['title']) ?? formId,
    status: isOver ? 'completed' : 'partial',
    startedAt: timeAt(data['createdAt']),
    submittedAt: isOver ? timeAt(data['updatedAt']) : null,
    answers: [
      ...Object.entries(objectAt(data['data'])).map(answerOf),
      ...Object.entries(objectAt(data['variables'])).map(answerOf),
    ],
  }
}

/** Lists may be choices, an address or links: nothing tells them apart, so none becomes options of the form. */
const answerOf = ([name, value]: readonly [string, Json]): Answer => ({
  key: keyOf(name),
  names: [name],
  label: name,
  value,
  ...guessed(name, value),
  ...(Array.isArray(value) && value.some((item) => typeof item === 'string' && item.includes('@'))
    ? { pii: true }
    : {}),
})
