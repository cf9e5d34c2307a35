/** Steps of a schema are run by their number, each once: a number given twice, or left out, breaks every database. */
import { expect, test } from 'vitest'
import { stepsIn } from '../../core/storage/steps.ts'

test.each(['sqlite', 'postgres'])('the steps of %s count from 1, each number once', (backend) => {
  const steps = stepsIn(new URL(`../../core/storage/${backend}/migrations/`, import.meta.url))
  expect(steps.length).toBeGreaterThan(10)
  expect(steps.map(({ version }) => version)).toEqual(steps.map((_, n) => n + 1))
})
