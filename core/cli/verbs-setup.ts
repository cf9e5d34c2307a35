/** Commands about what is there: plugins and their uses, the file, keys, the database. */
import { ALL_ASIDE, ASK, DATA, DRY_RUN, FILES, LOOK, NEW, only, YES } from './verb.ts'
import type { Group } from './verb.ts'

export const CONFIG: Group = {
  group: 'config',
  summary: 'check, print or describe manifold.yaml',
  verbs: [
    {
      usage: 'check',
      summary: 'every mistake in the file, with line and column',
      load: async () => (await import('./config.ts')).check,
      ...LOOK,
    },
    {
      usage: 'print',
      summary: 'the file with its variables filled in',
      load: async () => (await import('./config.ts')).print,
      ...LOOK,
      options: [{ flags: '--redacted', help: 'hide secrets' }],
    },
    {
      usage: 'schema',
      summary: 'the JSON Schema for editors',
      load: async () => (await import('./config.ts')).schema,
      settings: FILES,
    },
  ],
}

export const PLUGIN: Group = {
  group: 'plugin',
  summary: 'make, list, test and approve plugins',
  verbs: [
    {
      usage: 'new <id>',
      summary: 'make a plugin folder that works, with a test',
      load: async () => (await import('./plugin-new.ts')).run,
      options: [{ flags: '--dir <dir>', help: 'folder to make it in', fallback: 'my-plugins' }],
    },
    {
      usage: 'list',
      summary: 'plugins that can be used here',
      load: async () => (await import('./plugin.ts')).list,
      ...LOOK,
    },
    {
      usage: 'info <id-or-folder>',
      summary: 'what a plugin does, may do, and can be set to',
      load: async () => (await import('./plugin.ts')).info,
      ...LOOK,
    },
    {
      usage: 'types [folder]',
      summary: 'write types.d.ts: what plugin.json says, for the compiler and the editor',
      load: async () => (await import('./plugin-types.ts')).run,
      options: [{ flags: '--check', help: 'only say whether it is up to date' }],
    },
    {
      usage: 'test [folder]',
      summary: 'check manifest, code and behaviour in the sandbox, and run its tests',
      load: async () => (await import('./plugin-test.ts')).run,
      json: true,
      options: [{ flags: '--timeout <time>', help: 'how long its own tests may take all in all, such as 90s (5m)' }],
    },
    {
      usage: 'top',
      summary: 'what installations use at the moment: CPU, runs, requests, memory, points left',
      load: async () => (await import('./plugin-top.ts')).run,
      ...ASK,
      options: [{ flags: '--plugins', help: 'installations of one plugin together' }],
    },
    {
      usage: 'approve <id>',
      summary: 'show what the version on disk asks for beside what was granted, and grant it',
      load: async () => (await import('./plugin-approve.ts')).run,
      ...LOOK,
      options: [YES],
    },
  ],
}

export const INSTALLATIONS: Group = {
  group: 'installations',
  summary: 'what runs, how it fares, and a hand on it',
  verbs: [
    {
      usage: 'list',
      summary: 'all of them',
      load: async () => (await import('./installations.ts')).list,
      ...ASK,
      isDefault: true,
      options: only('state', 'plugin'),
    },
    {
      usage: 'show <id>',
      summary: 'one with its settings; secrets are hidden',
      load: async () => (await import('./installations.ts')).show,
      ...ASK,
    },
    {
      usage: 'kv <id>',
      summary: 'what its plugin remembers: counters, and the keys it keeps with their sizes',
      load: async () => (await import('./installations-kv.ts')).run,
      ...ASK,
      options: [
        { flags: '--prefix <text>', help: 'only names that begin with this' },
        { flags: '--values', help: 'the values, too; they may hold answers' },
        { flags: '--limit <n>', help: 'at most so many', fallback: '50' },
      ],
    },
    {
      usage: 'pause <id>',
      summary: 'let its events and deliveries wait; nothing is lost',
      load: async () => (await import('./installations.ts')).pause,
      ...ASK,
      options: [{ flags: '--reason <text>', help: 'shown wherever it is listed' }],
    },
    {
      usage: 'resume <id...>',
      summary: 'go on where they stood; enables one that was disabled, and tries hosts that failed repeatedly at once',
      load: async () => (await import('./installations.ts')).resume,
      ...ASK,
    },
    {
      usage: 'check [id]',
      summary:
        'have plugins look at their credentials and settings, without effects in the hub; fails where one finds an error',
      load: async () => (await import('./installations-check.ts')).run,
      ...ASK,
    },
    {
      usage: 'test <id>',
      summary: 'send a real event once more down the live path: what its plugin does is real',
      load: async () => (await import('./installations.ts')).test,
      ...ASK,
      options: [
        { flags: '--event <id>', help: 'this event' },
        { flags: '--response <id>', help: 'the event with the answers of this response' },
        { flags: '--last', help: 'the newest it would get; what is done when none is named' },
        ...only('form'),
        YES,
      ],
    },
    {
      usage: 'fire <id> <schedule>',
      summary: 'run a schedule of its plugin now, once, beside its timetable',
      load: async () => (await import('./installations.ts')).fire,
      ...ASK,
      options: [YES],
    },
    {
      usage: 'backfill <id>',
      summary: 'read the log again from a point in the past, after saying how much that is; skips nothing',
      load: async () => (await import('./installations.ts')).backfill,
      ...ASK,
      options: [
        { flags: '--from <time>', help: 'beginning, 2026-01-31, a full time, or 2h', required: true },
        DRY_RUN,
        YES,
      ],
    },
  ],
}

const EVENT_QUARANTINE: Group = {
  group: 'quarantine',
  summary: 'behaviour events that their family did not take',
  verbs: [
    {
      usage: 'list',
      summary: 'list, oldest first, with reasons',
      load: async () => (await import('./event-quarantine.ts')).list,
      ...ASK,
      isDefault: true,
      options: [{ flags: '--limit <n>', help: 'at most so many', fallback: '50' }],
    },
    {
      usage: 'replay [id...]',
      summary: 'look at these, or all, with the families of now, and store what is taken',
      load: async () => (await import('./event-quarantine.ts')).replay,
      ...ASK,
      options: [ALL_ASIDE, DRY_RUN],
    },
    {
      usage: 'discard [id...]',
      summary: 'delete these, or all, for good',
      load: async () => (await import('./event-quarantine.ts')).discard,
      ...ASK,
      options: [ALL_ASIDE, DRY_RUN, YES],
    },
  ],
}

export const ANALYTICS: Group = {
  group: 'analytics',
  summary: 'ask the analytics, share their numbers, make what they keep anew',
  verbs: [
    {
      usage: 'sql <select>',
      summary: 'one SELECT over views of forms and events',
      load: async () => (await import('./analytics-ask.ts')).sql,
      ...ASK,
      options: [{ flags: '--limit <n>', help: 'at most so many rows', fallback: '1000' }],
    },
    {
      usage: 'query <question>',
      summary: 'a question as JSON, such as {"form_id":"contact","aggregate":"count","group_by":"dept"}',
      load: async () => (await import('./analytics-ask.ts')).query,
      ...ASK,
    },
    {
      usage: 'metrics <form>',
      summary: 'the headline numbers of a form, as JSON',
      load: async () => (await import('./analytics-ask.ts')).metrics,
      ...ASK,
      options: [
        { flags: '--bucket <bucket>', help: 'of the series: minute, hour, day, week or month' },
        { flags: '--timezone <zone>', help: 'where days begin, such as Europe/Berlin' },
        { flags: '--from <time>', help: 'the series from' },
        { flags: '--to <time>', help: 'the series to' },
      ],
    },
    {
      usage: 'share <form>',
      summary: 'a link that shows the headline numbers to everybody who has it',
      load: async () => (await import('./analytics-ask.ts')).share,
      ...ASK,
      options: [{ flags: '--expires <when>', help: 'such as 12h or 7d, or never', fallback: '30d' }],
    },
    {
      usage: 'slow',
      summary: 'questions that took long, the latest first (a key with the scope admin)',
      load: async () => (await import('./analytics-ask.ts')).slow,
      ...ASK,
    },
    {
      usage: 'status',
      summary: 'what is held of behaviour events: how many one by one, and what each rung of the ladder counts',
      load: async () => (await import('./analytics-ask.ts')).status,
      ...ASK,
    },
    {
      usage: 'rebuild',
      summary: 'read the whole log anew while questions go on, and compare the numbers before and after',
      load: async () => (await import('./analytics.ts')).run,
      ...ASK,
    },
    EVENT_QUARANTINE,
  ],
}

const MAKES_NEW = { flags: NEW, help: 'also where no hub has started yet: its database is made' } as const

export const KEYS: Group = {
  group: 'keys',
  summary: 'make, list and end API keys',
  verbs: [
    {
      usage: 'create',
      summary: 'make a key; it is shown once',
      load: async () => (await import('./keys.ts')).create,
      ...ASK,
      options: [
        { flags: '--name <name>', help: 'what it is for', required: true },
        {
          flags: '--scope <scope...>',
          help: 'what it may do: forms:read|write, responses:read|write, analytics:read, deliveries:write, hooks:write, admin',
          required: true,
        },
        { flags: '--expires <time>', help: 'when it ends: 90d or 2h from now, 2027-01-31, or a full time' },
        MAKES_NEW,
      ],
    },
    {
      usage: 'list',
      summary: 'all keys, without their secrets',
      load: async () => (await import('./keys.ts')).list,
      ...ASK,
    },
    {
      usage: 'revoke <id>',
      summary: 'end a key at once',
      load: async () => (await import('./keys.ts')).revoke,
      ...ASK,
      options: [YES],
    },
  ],
}

export const DB: Group = {
  group: 'db',
  summary: 'back up, restore, move and bring up to date',
  verbs: [
    {
      usage: 'migrate',
      summary: 'bring the schema up to date, or say that it is',
      load: async () => (await import('./db.ts')).migrate,
      ...DATA,
      options: [{ flags: '--dry-run', help: 'only say what would be done' }, MAKES_NEW],
    },
    {
      usage: 'backup <file>',
      summary: 'a consistent copy, also while the hub runs',
      load: async () => (await import('./db.ts')).backup,
      ...DATA,
      options: [{ flags: '--force', help: 'replace the file' }],
    },
    {
      usage: 'restore <file>',
      summary: 'put a backup in the place of the database; the old one is kept',
      load: async () => (await import('./db.ts')).restore,
      ...DATA,
      options: [YES],
    },
    {
      usage: 'move',
      summary: 'move everything between SQLite (--data) and Postgres (DATABASE_URL); goes on where it was stopped',
      load: async () => (await import('./db-move.ts')).run,
      ...DATA,
      options: [
        { flags: '--from <backend>', help: 'sqlite or postgres', required: true },
        { flags: '--to <backend>', help: 'the other one', required: true },
        { flags: '--dry-run', help: 'only say what would be moved' },
      ],
    },
    {
      usage: 'reclaim',
      summary: 'open a database again that was moved away, without what came since',
      load: async () => (await import('./db.ts')).reclaim,
      ...DATA,
      options: [YES],
    },
    {
      usage: 'accept-loss',
      summary: 'go on without events that are gone for good',
      load: async () => (await import('./db.ts')).acceptLoss,
      ...DATA,
      options: [YES],
    },
  ],
}
