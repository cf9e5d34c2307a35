/** The configuration as the hub runs it: `manifold.yaml`, environment and flags, parsed once, frozen, trusted inside. */
import type { FormDefinition, Scope, WorkspaceId } from '../model.ts'
import type { EventSettings } from '../ingest/events/families.ts'
import type { Limits } from '../limits.ts'

/** Where a value stands in the file, for messages. Lines and columns count from 1. */
export interface Place {
  readonly file: string
  readonly line: number
  readonly column: number
}

/** One mistake: place, path (`installations[0].with.url`), what is wrong, what to do. */
export interface ConfigProblem {
  readonly place: Place
  readonly path: string
  readonly message: string
  readonly hint: string | null
  /** In a file of a plugin, which does not compile: whose, and the line itself. */
  readonly source?: { readonly plugin: string; readonly lineText: string }
  /** Nothing is wrong where this form is stored: the API or a plugin has made it. */
  readonly formToBe?: FormToBe
}

/** A form that the file names and does not have. */
export interface FormToBe {
  readonly workspace: WorkspaceId
  readonly id: string
}

export interface InstallationConfig {
  readonly workspace: WorkspaceId
  readonly id: string
  readonly use: string
  readonly with: Readonly<Record<string, unknown>>
  readonly when: {
    readonly form?: string | readonly string[]
    readonly event?: string | readonly string[]
    readonly filter?: unknown
  }
  readonly retry: { readonly delaysMs: readonly number[] }
  readonly concurrency: number | null
  readonly ratePerSecond: number | null
  readonly order: 'none' | 'fifo'
  readonly ambiguous: 'retry' | 'dead'
  readonly paused: boolean
  readonly from: string | null
  readonly pii: boolean | readonly string[]
  /** What becomes of responses that its transform fails at. Left out: as its plugin says. */
  readonly whenFails?: 'open' | 'closed'
  /** `own`: a process for it alone. Left out: as the plugin wishes. */
  readonly isolation?: 'shared' | 'own'
  /** Left out: as the file says of its group, or the plugin of itself. */
  readonly hardened?: boolean
  readonly place: Place
}

export interface FormConfig {
  readonly workspace: WorkspaceId
  readonly id: string
  readonly definition: FormDefinition
  readonly place: Place
}

/** Somebody whose signed tokens (JWT, RFC 7519) count as keys. */
export interface TokenIssuer {
  readonly workspace: WorkspaceId
  /** `iss`, exactly. */
  readonly issuer: string
  /** Must be (one of) `aud`. */
  readonly audience: string
  /** What signatures are checked with: a key set behind a URL (RFC 7517), one public key (PEM), or a shared text (HS256). */
  readonly keys:
    | { readonly kind: 'jwks'; readonly url: string }
    | { readonly kind: 'public'; readonly pem: string }
    | { readonly kind: 'secret'; readonly text: string }
  /** The most that a token may be allowed, whatever it says of itself. */
  readonly scopes: readonly Scope[]
}

/** What a text out of a variable can become where the schema wants it. */
export type Wanted = 'number' | 'boolean' | 'mapping'

/** What is wrong with an installation's `with`, seen from there. `wants`: the type a text out of a variable should become. */
export interface WithProblem {
  readonly path: readonly (string | number)[]
  readonly message: string
  readonly hint: string | null
  /** The key at the path is what is wrong, not its value. */
  readonly onKey?: boolean
  readonly wants?: Wanted | undefined
}

/** A setting, or the key of one, that names something. */
export interface NamedSetting {
  readonly path: readonly (string | number)[]
  readonly name: string
  /** The key at the path is what names it. */
  readonly onKey: boolean
  /** The field has to be of this type; absent: of any. */
  readonly type?: string
}

/** What the values of an installation's settings lead to, defaults and all; paths begin in `with`. */
export interface SettingsSurvey {
  /** Fields of the forms it sees, or of `forms`. */
  readonly fields: readonly NamedSetting[]
  /** Forms that the settings name themselves. */
  readonly forms: readonly NamedSetting[]
  /** They may name one: `fields` are of no other, also where the plugin makes it. */
  readonly hasForm: boolean
  /** Settings that were typed and do nothing beside the one that is named. */
  readonly ignored: readonly NamedSetting[]
  /** Hosts, with their port if one was typed. */
  readonly hosts: readonly NamedSetting[]
}

/** A plugin as far as the file's check needs it; the registry makes these. */
export interface KnownPlugin {
  readonly id: string
  /** Event types it handles, `*` for all; absent: not checked. */
  readonly events?: readonly string[]
  /** Names of its settings, as far as its schema lists them. */
  readonly settings?: readonly string[]
  /** Why it cannot be used at all. */
  readonly broken?: readonly string[]
  /** What stands at a hidden path (of the settings) is not quoted in a problem. */
  checkWith(
    value: Readonly<Record<string, unknown>>,
    isHidden?: (path: readonly (string | number)[]) => boolean,
  ): readonly WithProblem[]
  /** For settings that fit. */
  survey?(value: Readonly<Record<string, unknown>>): SettingsSurvey
  /** It sends to hooks, which one installation of a workspace does. */
  readonly carriesHooks?: boolean
  /** It makes the forms that its settings name; without such a setting, any. */
  readonly makesForms?: boolean
  /** It is there to send e-mail. */
  readonly sendsMail?: boolean
  /** Where secrets stand in these settings. */
  secretPaths?(value: Readonly<Record<string, unknown>>): readonly (readonly (string | number)[])[]
}

/** The mail server of the hub. `user` and `password` go to it and nowhere else. */
export interface MailSettings {
  readonly host: string
  readonly port: number
  /** TLS from the first byte (`smtps://`), after STARTTLS, or none at all. */
  readonly tls: 'implicit' | 'starttls' | 'none'
  readonly user: string | null
  readonly password: string | null
  /** Who all e-mail is from. `name` is empty where the file gives the bare address. */
  readonly from: { readonly name: string; readonly address: string }
}

/** The file's part: everything that may change at reload. */
export interface HubConfig {
  /** SHA-256 of the file's text; shown by status beside what is on disk. */
  readonly checksum: string
  readonly file: string | null
  /** The file's text, as it was read. */
  readonly text: string
  readonly forms: readonly FormConfig[]
  readonly installations: readonly InstallationConfig[]
  readonly pluginDirs: readonly string[]
  readonly network: { readonly allow: readonly string[] }
  readonly auth: { readonly jwt: readonly TokenIssuer[] }
  readonly events: EventSettings
  /** Null: this hub sends no e-mail. */
  readonly email: MailSettings | null
  readonly sandbox: { readonly hardened: readonly ('builtin' | 'community')[] }
  readonly limits: Limits
  /** Installations of the file that were set aside with their reason (bad parts only quarantine themselves). */
  readonly quarantined: readonly {
    readonly workspace: WorkspaceId
    readonly id: string
    readonly use: string
    readonly problems: readonly ConfigProblem[]
    /** Its `when.form` and `whenFails`: what it says of responses that it cannot look at holds all the same. */
    readonly form: string | readonly string[] | undefined
    readonly whenFails: 'open' | 'closed' | undefined
  }[]
}

/** Flags and environment: what a running process cannot change. */
export interface Settings {
  readonly configFile: string | null
  readonly dataDir: string
  readonly host: string
  readonly port: number
  readonly role: 'all' | 'api' | 'worker'
  readonly demo: boolean
  /** Code of strangers runs only as it was granted, file by file. */
  readonly production: boolean
  readonly adminKey: string | null
  readonly logLevel: 'debug' | 'info' | 'warn' | 'error' | 'silent'
  /** Addresses of reverse proxies whose X-Forwarded-For is believed (CIDRs). */
  readonly trustedProxies: readonly string[]
  /** Where other processes of the hub reach this one; null: where it listens. */
  readonly advertiseUrl: string | null
  /** `postgres://…`: storage and queue live there; null: SQLite in the data folder. */
  readonly databaseUrl: string | null
  /** A replica that answers lists and counts; null: the database itself does. */
  readonly databaseReplicaUrl: string | null
  /** Connections this process holds to each of them at most. */
  readonly databaseConnectionsMax: number
  /** `redis://…`: shared cache, shared rate limits and the feed `form:events`; null: this process counts alone. */
  readonly redisUrl: string | null
}
