/** The command tree: every verb with its options. The code behind a verb is imported when it is called. */
import { readFileSync } from 'node:fs'
import { Command, CommanderError, Option } from 'commander'
import { clientEnvironment, environment, SETTINGS } from '../config/settings.ts'
import type { Settings } from '../config/config.ts'
import { HubError } from '../errors.ts'
import type { Options, Run } from './call.ts'
import { CliError, EXIT_CODES, exitCodesHelp } from './exit-codes.ts'
import type { ExitName } from './exit-codes.ts'
import { Terminal } from './terminal.ts'

const env = environment()
const terminal = new Terminal({ out: process.stdout, err: process.stderr, color: clientEnvironment(env).color })

/** Runs one command line; answers the exit code. */
export async function runCli(argv: readonly string[]): Promise<number> {
  try {
    await buildProgram().parseAsync(argv, { from: 'user' })
    return Number(process.exitCode ?? EXIT_CODES.ok.code)
  } catch (error) {
    return EXIT_CODES[report(error)].code
  }
}

function report(error: unknown): ExitName {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 'ok' : 'usage'
  if (error instanceof CliError) {
    if (error.message !== '') terminal.say(`manifold: ${error.message}`)
    if (error.hint !== null) terminal.say(`  → ${error.hint}`)
    return error.exit
  }
  if (error instanceof HubError) {
    terminal.say(`manifold: ${error.message}`)
    for (const problem of error.problems) terminal.say(`  ${problem.pointer}: ${problem.detail}`)
    return 'failed'
  }
  const { code } = error as NodeJS.ErrnoException
  // An errno is the machine's business; anything else is a mistake of ours and worth its stack.
  terminal.say(`manifold: ${code !== undefined ? (error as Error).message : error instanceof Error ? (error.stack ?? error.message) : String(error)}`)
  return 'failed'
}

type Load = () => Promise<{ readonly run: Run }>

interface VerbOptions {
  /** Names of settings that are flags of this verb. */
  readonly settings?: readonly (keyof Settings)[]
  /** Speaks to a running hub. */
  readonly client?: boolean
  readonly json?: boolean
  readonly options?: readonly Option[]
  /** What its group means when no verb is named. */
  readonly isDefault?: boolean
}

const FILES = ['configFile', 'dataDir'] as const
const SERVE = Object.keys(SETTINGS) as (keyof Settings)[]

/** The whole tree; `--help` of any part works without loading the rest. */
export function buildProgram(): Command {
  const program = new Command('manifold')
    .description('Forms in once, durable once, out through sandboxed plugins.')
    .version(versionOf(), '-v, --version')
    .exitOverride()
    .configureOutput({ writeErr: (text) => process.stderr.write(text) })
    .showSuggestionAfterError()
    .addHelpText('after', `\n${exitCodesHelp()}`)
  const verb = (parent: Command, usage: string, summary: string, load: Load, more: VerbOptions = {}): Command => addVerb(parent, { usage, summary, load, more })

  verb(program, 'start', 'run the hub', () => import('./start.ts'), { settings: SERVE })
  verb(program, 'dev', 'run the hub; plugins are loaded again when they are saved', () => import('./dev.ts'), { settings: SERVE })
  verb(program, 'init [file]', 'write a commented manifold.yaml and its editor schema', () => import('./init.ts'), { options: [new Option('--force', 'replace files that are there')] })
  verb(program, 'doctor', 'look for what is wrong, and say how to mend it', () => import('./doctor.ts'), { settings: FILES, client: true, json: true })
  verb(program, 'status', 'the running hub at a glance', () => import('./status.ts'), { settings: ['dataDir'], client: true, json: true })
  addConfig(program, verb)
  addPlugin(program, verb)
  verb(program, 'send <form> [answers...]', 'post a response: key=value …, --data, or JSON on stdin', () => import('./send.ts'), {
    client: true,
    json: true,
    options: [new Option('--data <json>', 'the answers as JSON; - reads stdin'), new Option('--partial', 'store it as not finished'), new Option('--client-id <id>', 'your own id: sending it again changes nothing')],
  })
  addDeliveries(program, verb)
  verb(program, 'replay', 'send again what died in a stretch of time', () => import('./replay.ts'), {
    settings: ['dataDir'],
    client: true,
    json: true,
    options: [
      new Option('--since <time>', 'from this creation time on: 2026-01-31, a full time, or 2h').makeOptionMandatory(),
      new Option('--until <time>', 'up to before this time'),
      ...filters('installation', 'form', 'reason'),
      new Option('--delivered', 'also what had arrived'),
      new Option('--dry-run', 'only count'),
    ],
  })
  addKeys(program, verb)
  addDb(program, verb)
  verb(program, 'openapi', 'the API description (OpenAPI 3.1)', () => import('./openapi.ts'), {})
  return program
}

type Verb = (parent: Command, usage: string, summary: string, load: Load, more?: VerbOptions) => Command

function addVerb(parent: Command, { usage, summary, load, more }: { usage: string; summary: string; load: Load; more: VerbOptions }): Command {
  const command = parent.command(usage, { isDefault: more.isDefault ?? false }).summary(summary).description(`${summary[0]?.toUpperCase()}${summary.slice(1)}.`).exitOverride()
  for (const name of more.settings ?? []) for (const option of settingOptions(name)) command.addOption(option)
  if (more.client) command.addOption(new Option('--url <url>', 'the hub (MANIFOLD_URL); default: the one that runs on the data folder')).addOption(new Option('--key <key>', 'API key (MANIFOLD_KEY)'))
  if (more.json) command.addOption(new Option('--json', 'print JSON'))
  for (const option of more.options ?? []) command.addOption(option)
  command.action(async (...params: unknown[]) => {
    const args = params.slice(0, -2).flat().filter((arg): arg is string => typeof arg === 'string')
    const { run } = await load()
    const given = command.opts<Options>()
    // Settings go by their own names: `--data` is `dataDir`.
    const named = Object.fromEntries((more.settings ?? []).flatMap((name) => settingOptions(name).map((option) => [name, given[option.attributeName()]])))
    await run({ terminal, env, options: { ...given, ...named }, args })
  })
  return command
}

/** A row of the settings table as flags; a yes-or-no one can be said both ways. */
function settingOptions(name: keyof Settings): Option[] {
  const row = SETTINGS[name]
  if (row.flag === null) return []
  const help = `${row.help} (${row.env}; default: ${row.fallback})`
  const option = new Option(row.flag, help)
  return row.flag.includes(' ') ? [option] : [option, new Option(row.flag.replace('--', '--no-'), `do not ${row.help}`)]
}

const filters = (...names: readonly string[]): Option[] => names.map((name) => new Option(`--${name} <${name}>`, `only of this ${name}`))

function addConfig(program: Command, verb: Verb): void {
  const config = program.command('config').summary('check, print or describe manifold.yaml').exitOverride()
  const load: (what: 'check' | 'print' | 'schema') => Load = (what) => async () => ({ run: (await import('./config.ts'))[what] })
  verb(config, 'check', 'every mistake in the file, with line and column', load('check'), { settings: FILES, json: true })
  verb(config, 'print', 'the file with its variables filled in', load('print'), { settings: FILES, json: true, options: [new Option('--redacted', 'hide secrets')] })
  verb(config, 'schema', 'the JSON Schema for editors', load('schema'), { settings: FILES })
}

function addPlugin(program: Command, verb: Verb): void {
  const plugin = program.command('plugin').summary('make, list, test and approve plugins').exitOverride()
  const load: (what: 'list' | 'info' | 'approve') => Load = (what) => async () => ({ run: (await import('./plugin.ts'))[what] })
  verb(plugin, 'new <id>', 'make a plugin folder that works, with a test', () => import('./plugin-new.ts'), { options: [new Option('--dir <dir>', 'folder to make it in').default('my-plugins')] })
  verb(plugin, 'list', 'plugins that can be used here', load('list'), { settings: FILES, json: true })
  verb(plugin, 'info <id>', 'what a plugin does, may do, and can be set to', load('info'), { settings: FILES, json: true })
  verb(plugin, 'test <folder>', 'check the manifest against the code in the sandbox, and run its tests', () => import('./plugin-test.ts'), { json: true })
  verb(plugin, 'approve <id>', 'grant what the version on disk asks for', load('approve'), { settings: FILES, json: true })
}

function addDeliveries(program: Command, verb: Verb): void {
  const shared = { settings: ['dataDir'] as const, client: true, json: true }
  const listing = [...filters('installation', 'form', 'response', 'event', 'reason'), new Option('--since <time>', 'created at or after'), new Option('--until <time>', 'created before'), new Option('--limit <n>', 'at most so many').default('50')]
  const deliveries = program.command('deliveries').summary('what left, what waits, and every attempt').exitOverride()
  const load: (what: 'list' | 'show' | 'replay') => Load = (what) => async () => ({ run: (await import('./deliveries.ts'))[what] })
  verb(deliveries, 'list', 'list, newest first', load('list'), { ...shared, isDefault: true, options: [...filters('state'), ...listing] })
  verb(deliveries, 'show <id>', 'one delivery with its attempts', load('show'), shared)
  verb(deliveries, 'replay <id...>', 'send these again', load('replay'), shared)
  const dead = program.command('dead-letters').summary('what will not be tried again by itself').exitOverride()
  const loadDead: (what: 'list' | 'replay') => Load = (what) => async () => ({ run: (await import('./dead-letters.ts'))[what] })
  verb(dead, 'list', 'list, newest first, with a count per reason', loadDead('list'), { ...shared, isDefault: true, options: listing })
  verb(dead, 'replay [id...]', 'send these again, or all that the filters match', loadDead('replay'), {
    ...shared,
    options: [...filters('installation', 'form', 'reason'), new Option('--all', 'every dead letter'), new Option('--dry-run', 'only count')],
  })
}

function addKeys(program: Command, verb: Verb): void {
  const keys = program.command('keys').summary('make, list and end API keys').exitOverride()
  const shared = { settings: ['dataDir'] as const, client: true, json: true }
  const load: (what: 'create' | 'list' | 'revoke') => Load = (what) => async () => ({ run: (await import('./keys.ts'))[what] })
  verb(keys, 'create', 'make a key; it is shown once', load('create'), {
    ...shared,
    options: [
      new Option('--name <name>', 'what it is for').makeOptionMandatory(),
      new Option('--scope <scope...>', 'what it may do: forms:read, forms:write, responses:read, responses:write, analytics:read, deliveries:write, hooks:write, admin').makeOptionMandatory(),
      new Option('--expires <time>', 'when it ends'),
    ],
  })
  verb(keys, 'list', 'all keys, without their secrets', load('list'), shared)
  verb(keys, 'revoke <id>', 'end a key at once', load('revoke'), shared)
}

function addDb(program: Command, verb: Verb): void {
  const db = program.command('db').summary('back up, restore and bring up to date').exitOverride()
  const load: (what: 'migrate' | 'backup' | 'restore' | 'acceptLoss') => Load = (what) => async () => ({ run: (await import('./db.ts'))[what] })
  const yes = new Option('--yes', 'do it without asking')
  verb(db, 'migrate', 'bring the schema up to date, or say that it is', load('migrate'), { settings: ['dataDir'], json: true, options: [new Option('--dry-run', 'only say what would be done')] })
  verb(db, 'backup <file>', 'a consistent copy, also while the hub runs', load('backup'), { settings: ['dataDir'], json: true, options: [new Option('--force', 'replace the file')] })
  verb(db, 'restore <file>', 'put a backup in the place of the database; the old one is kept', load('restore'), { settings: ['dataDir'], json: true, options: [yes] })
  verb(db, 'accept-loss', 'go on without events that are gone for good', load('acceptLoss'), { settings: ['dataDir'], json: true, options: [yes] })
}

function versionOf(): string {
  const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8')
  return String((JSON.parse(text) as { version: string }).version)
}
