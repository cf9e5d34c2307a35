/** `manifold <verb>`: reads the command line, loads only what the verb needs, and turns its end into an exit code. */
import { fileURLToPath } from 'node:url'
import { useCompileCache } from '../config/compile-cache.ts'

useCompileCache(fileURLToPath(new URL('../../node_modules/.cache/manifold', import.meta.url)))
// The bootstrap holds the other end: when it is killed outright, nobody is left to stop us.
if (process.channel) {
  process.on('disconnect', () => process.kill(process.pid, 'SIGTERM'))
  process.channel.unref()
}
// A reader such as `head` may go away; that is no error of ours.
process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 1))

const { runCli } = await import('./program.ts')
process.exitCode = await runCli(process.argv.slice(2))
