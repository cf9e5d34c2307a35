/** Names in code and manifest: the same set both ways, but for events that the manifest enqueues itself. */
import { expect, test } from 'vitest'
import { manifestSchema } from '../../core/registry/manifest.ts'
import { surfaceMismatch } from '../../core/registry/surface.ts'

const manifest = manifestSchema.parse({
  id: 'p',
  name: 'P',
  version: '1.0.0',
  hub: '^1.0',
  main: 'index.ts',
  on: { 'response.submitted': { enqueue: 'post' }, 'form.changed': {} },
  actions: { post: { data: ['data'] } },
})
const surface = (on: readonly string[], actions: readonly string[] = ['post']) => ({
  on,
  actions,
  schedules: [],
  routes: [],
  transform: false,
  check: false,
})

test.each([
  [['form.changed'], ['post'], null],
  [
    ['form.changed', 'response.submitted'],
    ['post'],
    'p: plugin.json has "post" enqueued for on "response.submitted", so the handler in the code never runs.',
  ],
  [[], ['post'], 'p: plugin.json declares on "form.changed", the code does not define it.'],
  [['form.changed'], [], 'p: plugin.json declares actions "post", the code does not define it.'],
])('code with handlers %j and actions %j', (on, actions, wrong) => {
  expect(surfaceMismatch(manifest, surface(on, actions))).toBe(wrong)
})

test('a check is declared and defined, or neither', () => {
  const checking = { ...manifest, check: true }
  const defined = { ...surface(['form.changed']), check: true }
  expect(surfaceMismatch(checking, defined)).toBeNull()
  expect(surfaceMismatch(checking, surface(['form.changed']))).toBe(
    'p: plugin.json declares a check, the code does not define it.',
  )
  expect(surfaceMismatch(manifest, defined)).toBe('p: the code defines a check, plugin.json does not declare it.')
})
