/** Commands about what runs: what came in, where it went, what is kept from going. */
import { ALL_ASIDE, ASK, DRY_RUN, LISTING, only, YES } from './verb.ts'
import type { Group, OptionRow } from './verb.ts'

/** Filters of what is done with many at once, and `--dry-run`. */
const ENDED: readonly OptionRow[] = [
  ...only('installation', 'form', 'reason', 'code', 'cause'),
  { flags: '--since <time>', help: 'created at or after' },
  { flags: '--until <time>', help: 'created before' },
  { flags: '--all', help: 'every dead letter' },
  DRY_RUN,
]

export const DELIVERIES: Group = {
  group: 'deliveries',
  summary: 'what left, what waits, and every attempt',
  verbs: [
    {
      usage: 'list',
      summary: 'list, newest first',
      load: async () => (await import('./deliveries.ts')).list,
      ...ASK,
      isDefault: true,
      options: [...only('state'), ...LISTING],
    },
    {
      usage: 'show <id>',
      summary: 'one delivery with its attempts',
      load: async () => (await import('./deliveries.ts')).show,
      ...ASK,
    },
    {
      usage: 'replay <id...>',
      summary: 'send these again',
      load: async () => (await import('./deliveries.ts')).replay,
      ...ASK,
    },
    {
      usage: 'discard [id...]',
      summary: 'delete for good what is dead, and what waits of an installation that manifold.yaml has no more',
      load: async () => (await import('./discard.ts')).deliveries,
      ...ASK,
      options: [{ flags: '--state <state>', help: 'only dead, pending or retrying ones' }, ...ENDED, YES],
    },
  ],
}

export const RUNS: Group = {
  group: 'runs',
  summary: 'what plugins did, and why they failed',
  verbs: [
    {
      usage: 'list',
      summary: 'list, newest first',
      load: async () => (await import('./runs.ts')).list,
      ...ASK,
      isDefault: true,
      options: [
        ...only('installation', 'event', 'delivery', 'response'),
        { flags: '--kind <kind>', help: 'only handler, action, schedule, route, transform or check' },
        { flags: '--failed', help: 'only those that failed' },
        { flags: '--since <time>', help: 'started at or after' },
        { flags: '--until <time>', help: 'started before' },
        { flags: '--limit <n>', help: 'at most so many', fallback: '50' },
      ],
    },
    {
      usage: 'show <id>',
      summary: 'one run: input, log, requests, effects, and the error with file and line',
      load: async () => (await import('./runs.ts')).show,
      ...ASK,
    },
  ],
}

export const DEAD_LETTERS: Group = {
  group: 'dead-letters',
  summary: 'what will not be tried again by itself',
  verbs: [
    {
      usage: 'list',
      summary: 'list, newest first, with a count per reason',
      load: async () => (await import('./dead-letters.ts')).list,
      ...ASK,
      isDefault: true,
      options: [...LISTING, { flags: '--group', help: 'by cause instead: how many, since when, an example' }],
    },
    {
      usage: 'replay [id...]',
      summary: 'send these again, or all that the filters match',
      load: async () => (await import('./dead-letters.ts')).replay,
      ...ASK,
      options: [...ENDED, YES],
    },
    {
      usage: 'discard [id...]',
      summary: 'delete these for good, or all that the filters match',
      load: async () => (await import('./discard.ts')).deadLetters,
      ...ASK,
      options: [...ENDED, YES],
    },
  ],
}

const ASIDE: readonly OptionRow[] = [
  ...only('form', 'installation', 'verdict'),
  { flags: '--since <time>', help: 'received at or after' },
  { flags: '--until <time>', help: 'received before' },
]

export const QUARANTINE: Group = {
  group: 'quarantine',
  summary: 'responses that transforms flagged, refused or failed at',
  verbs: [
    {
      usage: 'list',
      summary: 'list, newest first',
      load: async () => (await import('./quarantine.ts')).list,
      ...ASK,
      isDefault: true,
      options: [...ASIDE, { flags: '--limit <n>', help: 'at most so many', fallback: '50' }],
    },
    {
      usage: 'show <id>',
      summary: 'one of them, with its answers',
      load: async () => (await import('./quarantine.ts')).show,
      ...ASK,
    },
    {
      usage: 'release [id...]',
      summary: 'store these, or all that the filters match; the plugins get them',
      load: async () => (await import('./quarantine.ts')).release,
      ...ASK,
      options: [...ASIDE, ALL_ASIDE, DRY_RUN],
    },
    {
      usage: 'discard [id...]',
      summary: 'delete these for good, or all that the filters match',
      load: async () => (await import('./quarantine.ts')).discard,
      ...ASK,
      options: [...ASIDE, ALL_ASIDE, DRY_RUN, YES],
    },
  ],
}

export const DASHBOARD: Group = {
  group: 'dashboard',
  summary: 'open the dashboard in a browser',
  verbs: [
    {
      usage: 'link',
      summary: 'a link that signs a browser in, once',
      load: async () => (await import('./dashboard.ts')).link,
      ...ASK,
      isDefault: true,
    },
  ],
}
