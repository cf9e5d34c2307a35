/** `manifold dev`: the hub, which also follows its own plugin folders; those of the configuration it follows anyway. */
import { watchPaths } from '../config/watch.ts'
import { rootsOf } from '../registry/discover.ts'
import type { Call, Run } from './call.ts'
import { assembled } from './config.ts'
import { serve } from './serve.ts'

const POLL_MS = 1_000

export const run: Run = (call) =>
  serve(call, async (hub, signal) => {
    const tell = approvalTeller(call)
    const configured = await tell()
    const own = await watchPaths({
      paths: rootsOf([]).map(({ dir }) => dir),
      pollMs: POLL_MS,
      onChange: async () => {
        call.terminal.say('manifold: a plugin was saved; loading again')
        hub.reload()
        await tell()
      },
    })
    const others = await watchPaths({ paths: configured, pollMs: POLL_MS, onChange: async () => void (await tell()) })
    signal.addEventListener('abort', () => [own, others].forEach((watching) => watching.close()), { once: true })
    call.terminal.say('manifold: following manifold.yaml and the plugin folders')
  })

/**
 * Says once which saved plugins ask for more than they were granted: until they are approved the version from before
 * goes on running, and an author would look in vain for what they changed. Answers the folders of the configuration.
 */
function approvalTeller(call: Call): () => Promise<readonly string[]> {
  const told = new Map<string, string>()
  return async () => {
    const result = await assembled(call)
    // The hub itself tells mistakes.
    if ('problems' in result) return []
    for (const { id, version, diff } of result.pending) {
      if (told.get(id) === diff) continue
      call.terminal.say(`manifold: ${id} ${version} asks for more and waits: ${diff.replaceAll('\n', ', ')}`)
      call.terminal.say(`  → manifold plugin approve ${id}`)
    }
    told.clear()
    for (const { id, diff } of result.pending) told.set(id, diff)
    return result.config.pluginDirs
  }
}
