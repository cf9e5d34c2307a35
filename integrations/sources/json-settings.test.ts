/** What the settings of any JSON have to hold. */
import { expect, test } from 'vitest'
import { testPlugin } from 'manifold/plugin/testing'

test('json without its settings is refused before anything arrives', async () => {
  const config = { from: 'json' }
  const secrets = { secret: 'a secret of the sender, long enough' }
  await expect(testPlugin({ dir: import.meta.dirname, config, secrets })).rejects.toThrow(/json/)
})
