/** Runs the hub in this process until it is told to stop: what `start` and `dev` have in common. */
import { sep } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Authoring } from '../authoring.ts'
import type { Settings } from '../config/config.ts'
import { formatProblem } from '../config/format-problems.ts'
import { HubError } from '../errors.ts'
import type { HubOptions, RunningHub } from '../main.ts'
import type { Call } from './call.ts'
import { settingsOf } from './call.ts'
import { makeLink } from './dashboard.ts'
import { CliError } from './exit-codes.ts'
import { clientFor } from './hub-client.ts'
import { whenAbandoned } from './parents.ts'

const FATAL_STOP_MS = 2_000

export interface ServeMore {
  readonly authoring?: Authoring
  /** Beside the hub: runs while it runs, told when it stops. */
  readonly beside?: (hub: RunningHub, signal: AbortSignal) => Promise<void> | void
}

/** Resolves when the hub has stopped because it was asked to; rejects when it could not start or could not go on. */
export async function serve(call: Call, { authoring, beside }: ServeMore = {}): Promise<void> {
  const settings = settingsOf(call)
  const demo = settings.demo && settings.configFile === null ? await openDemo(call) : null
  if (settings.demo && demo === null)
    call.terminal.say(`manifold: the demo is left out, because there is a configuration: ${settings.configFile}`)
  try {
    const hub = await start(call, {
      settings: isChosen(call)
        ? settings
        : { ...settings, logLevel: demo ? 'warn' : authoring ? 'debug' : settings.logLevel },
      env: call.env,
      ...(authoring ? { authoring } : {}),
      ...(demo ? { configText: demo.configText } : {}),
    })
    const ended = new AbortController()
    const stopped = untilStopped(call, hub)
    await greet(call, { settings, hub, isShown: demo !== null || call.terminal.interactive })
    call.terminal.line(JSON.stringify({ event: 'ready', url: hub.url }))
    await beside?.(hub, ended.signal)
    const showing = demo?.run(hub, ended.signal)
    await stopped.finally(() => ended.abort())
    await showing
  } finally {
    await demo?.close()
  }
}

/** Somebody asked for this log level by flag or environment; otherwise a demo keeps the screen free, and an author sees everything. */
const isChosen = (call: Call): boolean =>
  call.options['logLevel'] !== undefined || Boolean(call.env['MANIFOLD_LOG_LEVEL'])

async function start(call: Call, options: HubOptions): Promise<RunningHub> {
  const { startHub, ConfigRefused, SandboxUnsafe } = await import('../main.ts')
  try {
    return await startHub(options)
  } catch (error) {
    if (error instanceof ConfigRefused) {
      for (const problem of error.problems) call.terminal.say(formatProblem(problem, process.cwd()))
      throw new CliError(
        'config',
        `${error.message} Nothing was started.`,
        'mend what is listed above; manifold config check looks again',
      )
    }
    if (error instanceof SandboxUnsafe)
      throw new CliError('unsafe', `${error.message}\nNothing was started.`, error.lines[0]?.fix ?? null)
    if (error instanceof HubError)
      throw new CliError(error.code === 'config_invalid' ? 'config' : 'failed', error.message)
    throw ofSystem(error as NodeJS.ErrnoException & { readonly hostname?: string }, options.settings)
  }
}

/** What the system refused the hub as it started, by the setting that asked for it. */
function ofSystem(error: NodeJS.ErrnoException & { readonly hostname?: string }, settings: Settings): Error {
  const { code, syscall, path, hostname, message } = error
  const { host, port, dataDir } = settings
  if (code === 'EADDRINUSE')
    return new CliError(
      'failed',
      `Port ${port} of ${host} is taken.`,
      'choose another with --port; 0 takes any free one',
    )
  if (syscall === 'listen' || (syscall === 'getaddrinfo' && hostname === host))
    return new CliError('failed', `Cannot listen on ${host}:${port} (${code}).`, 'choose another --host or --port')
  if (path !== undefined && (isWithin(dataDir, path) || isWithin(path, dataDir)))
    return new CliError(
      'failed',
      `Cannot keep data in ${dataDir}: ${message}.`,
      'make it a folder that this user may write to, or name another with --data',
    )
  return error
}

const isWithin = (folder: string, path: string): boolean => path === folder || path.startsWith(`${folder}${sep}`)

/** A link that signs in is for whoever sits there: where nobody does, it would stand in a log. */
async function greet(
  { terminal }: Call,
  { settings, hub, isShown }: { settings: Settings; hub: RunningHub; isShown: boolean },
): Promise<void> {
  terminal.say(`Manifold serves at ${hub.url}    data in ${settings.dataDir}`)
  if (hub.newAdminKey !== null) terminal.say(`Admin key, shown this once: ${hub.newAdminKey}`)
  if (isShown)
    terminal.say(`Dashboard, a link that works once: ${(await makeLink(clientFor(hub.url, hub.operatorKey))).url}`)
}

/** SIGTERM and Ctrl-C finish what runs; the second one does not wait. SIGHUP reads the configuration again. */
function untilStopped(call: Call, hub: RunningHub): Promise<void> {
  return new Promise((resolve, reject) => {
    let asked = false
    const stop = (): void => {
      if (asked) process.exit(1)
      asked = true
      if (call.terminal.interactive) call.terminal.say('\nmanifold: finishing what runs; once more to stop at once')
      hub.stop().then(resolve, reject)
    }
    process.on('SIGTERM', stop).on('SIGINT', stop)
    whenAbandoned(stop)
    process.on('SIGHUP', () => hub.reload())
    void hub.failed.then(async (error) => {
      call.terminal.say(`manifold: the hub cannot go on: ${error.message}`)
      await Promise.race([hub.stop().catch(() => {}), sleep(FATAL_STOP_MS)])
      process.exit(1)
    })
  })
}

interface OpenDemo {
  readonly configText: string
  run(hub: RunningHub, signal: AbortSignal): Promise<void>
  close(): Promise<void>
}

async function openDemo(call: Call): Promise<OpenDemo> {
  const { demoConfig, startDemo, startDemoReceiver } = await import('../demo/demo.ts')
  const receiver = await startDemoReceiver()
  return {
    configText: demoConfig(receiver.url, receiver.secret),
    run: (hub, signal) => {
      call.terminal.say(
        `Demo: two surveys are posted to it, a webhook receiver on ${receiver.url} checks each signature. Ctrl-C ends it.`,
      )
      return startDemo({ url: hub.url, key: hub.operatorKey, receiver, output: process.stderr, signal })
    },
    close: () => receiver.close(),
  }
}
