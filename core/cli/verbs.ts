/** Every command as a row: how it is called, what it says of itself, and where its code is. The code is imported when it is called. */
import { ANALYTICS, CONFIG, DB, INSTALLATIONS, KEYS, PLUGIN } from './verbs-setup.ts'
import { DASHBOARD, DEAD_LETTERS, DELIVERIES, QUARANTINE, RUNS } from './verbs-running.ts'
import { ASK, DRY_RUN, FILES, only, SERVE, YES } from './verb.ts'
import type { Group, Verb } from './verb.ts'

/** The whole tree, in the order of `--help`. */
export const VERBS: readonly (Verb | Group)[] = [
  { usage: 'start', summary: 'run the hub', load: async () => (await import('./start.ts')).run, settings: SERVE },
  {
    usage: 'dev',
    summary: 'run the hub; plugins are loaded again when they are saved',
    load: async () => (await import('./dev.ts')).run,
    settings: SERVE,
    options: [
      { flags: '--replay <n>', help: 'the last n events of an installation again whenever its plugin was saved' },
    ],
  },
  {
    usage: 'init [file]',
    summary: 'write a commented manifold.yaml and its editor schema',
    load: async () => (await import('./init.ts')).run,
    options: [{ flags: '--force', help: 'replace files that are there' }],
  },
  {
    usage: 'doctor',
    summary: 'look for what is wrong, and say how to mend it',
    load: async () => (await import('./doctor.ts')).run,
    ...ASK,
    settings: FILES,
  },
  {
    usage: 'status',
    summary: 'the running hub at a glance',
    load: async () => (await import('./status.ts')).run,
    ...ASK,
  },
  {
    usage: 'alerts',
    summary: 'what the hub raised and somebody should know, oldest first',
    load: async () => (await import('./alerts.ts')).list,
    ...ASK,
    options: [
      ...only('installation'),
      { flags: '--since <time>', help: 'raised at or after', fallback: '1d' },
      { flags: '--until <time>', help: 'raised before' },
      { flags: '--limit <n>', help: 'at most so many', fallback: '50' },
    ],
  },
  DASHBOARD,
  CONFIG,
  PLUGIN,
  {
    usage: 'send <form> [answers...]',
    summary: 'post a response: key=value …, --answers, or JSON on stdin',
    load: async () => (await import('./send.ts')).run,
    ...ASK,
    options: [
      { flags: '--answers <json>', help: 'the answers as JSON; - reads stdin' },
      { flags: '--partial', help: 'store it as not finished' },
      { flags: '--client-id <id>', help: 'your own id: sending it again changes nothing' },
    ],
  },
  INSTALLATIONS,
  DELIVERIES,
  RUNS,
  DEAD_LETTERS,
  {
    usage: 'replay',
    summary: 'send again what died in a stretch of time, or run handlers again on the last events',
    load: async () => (await import('./replay.ts')).run,
    ...ASK,
    options: [
      { flags: '--since <time>', help: 'from this creation time on: 2026-01-31, a full time, or 2h' },
      { flags: '--until <time>', help: 'up to before this time' },
      ...only('installation', 'form', 'reason', 'code'),
      { flags: '--delivered', help: 'also what had arrived' },
      { flags: '--last <n>', help: 'instead: the last n events of --installation, through its plugin as it is now' },
      DRY_RUN,
      YES,
    ],
  },
  QUARANTINE,
  KEYS,
  ANALYTICS,
  DB,
  {
    usage: 'openapi',
    summary: 'the API description (OpenAPI 3.1)',
    load: async () => (await import('./openapi.ts')).run,
  },
]
