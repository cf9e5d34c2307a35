/** `manifold dev`: the hub, which also follows its own plugin folders; those of the configuration it follows anyway. */
import { watchPaths } from '../config/watch.ts'
import { rootsOf } from '../registry/discover.ts'
import type { Run } from './call.ts'
import { serve } from './serve.ts'

const POLL_MS = 1_000

export const run: Run = (call) =>
  serve(call, async (hub, signal) => {
    const watching = await watchPaths({
      paths: rootsOf([]).map(({ dir }) => dir),
      pollMs: POLL_MS,
      onChange: async () => {
        call.terminal.say('manifold: a plugin was saved; loading again')
        hub.reload()
      },
    })
    signal.addEventListener('abort', () => watching.close(), { once: true })
    call.terminal.say('manifold: following manifold.yaml and the plugin folders')
  })
