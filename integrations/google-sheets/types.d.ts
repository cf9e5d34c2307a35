/** Made from plugin.json by `manifold plugin types`; changes are made there. */
import type { Json, SecretRef } from 'manifold/plugin'

/** The settings as the code sees them: defaults filled in, secrets sealed. */
export interface Config {
  /** The JSON key file of the service account, as it is. */
  readonly credentials: {
    /** The service account. The spreadsheet has to be shared with it. */
    readonly client_email: string
    /** PEM. Never shown, never read by the plugin. */
    readonly private_key: SecretRef
    readonly token_uri: string
  }
  /** The id of the spreadsheet, or its address in the browser. */
  readonly spreadsheet: string
  /** The name of the tab below the grid. */
  readonly tab: string
  /** Which columns, found by the text of their header. Without it: when it was submitted, and each field of the form by its label. */
  readonly columns?: readonly {
    readonly header: string
    /** Mustache, such as {{data.email}}, {{response.id}}, {{form.name}}. One tag alone keeps the type of the answer. */
    readonly value: string
    readonly type: 'text' | 'number' | 'boolean' | 'date' | 'datetime'
  }[]
  /** Header of the first column. A row is recognised by the id of its delivery, which stands there. */
  readonly idHeader: string
  /** What to do when a header that was there is gone or renamed: make the column again at the right end, leave its values out, or stop the installation. */
  readonly missingHeader: 'recreate' | 'skip' | 'stop'
  /** Of dates and times in cells. Without it the spreadsheet's own. */
  readonly timeZone?: string
  /** Puts an apostrophe before text that a program may take for a formula when the sheet is exported as CSV. */
  readonly csvGuard: boolean
  /** Google allows 60 a minute for a service account, shared by all its installations, unless you asked for more. */
  readonly writesPerMinute: number
  /** Google works on a request for up to 180 seconds, also when nobody waits for the answer any more. So many seconds after a write without a clear answer its rows are looked for, and written if they are not there. */
  readonly settleS: number
  /** Where the Sheets API is. */
  readonly apiUrl: string
}

/** The settings as an admin writes them. */
export interface Settings {
  /** The JSON key file of the service account, as it is. */
  readonly credentials: {
    /** The service account. The spreadsheet has to be shared with it. */
    readonly client_email: string
    /** PEM. Never shown, never read by the plugin. */
    readonly private_key: string
    readonly token_uri?: string
  }
  /** The id of the spreadsheet, or its address in the browser. */
  readonly spreadsheet: string
  /** The name of the tab below the grid. */
  readonly tab: string
  /** Which columns, found by the text of their header. Without it: when it was submitted, and each field of the form by its label. */
  readonly columns?: readonly {
    readonly header: string
    /** Mustache, such as {{data.email}}, {{response.id}}, {{form.name}}. One tag alone keeps the type of the answer. */
    readonly value: string
    readonly type?: 'text' | 'number' | 'boolean' | 'date' | 'datetime'
  }[]
  /** Header of the first column. A row is recognised by the id of its delivery, which stands there. */
  readonly idHeader?: string
  /** What to do when a header that was there is gone or renamed: make the column again at the right end, leave its values out, or stop the installation. */
  readonly missingHeader?: 'recreate' | 'skip' | 'stop'
  /** Of dates and times in cells. Without it the spreadsheet's own. */
  readonly timeZone?: string
  /** Puts an apostrophe before text that a program may take for a formula when the sheet is exported as CSV. */
  readonly csvGuard?: boolean
  /** Google allows 60 a minute for a service account, shared by all its installations, unless you asked for more. */
  readonly writesPerMinute?: number
  /** Google works on a request for up to 180 seconds, also when nobody waits for the answer any more. So many seconds after a write without a clear answer its rows are looked for, and written if they are not there. */
  readonly settleS?: number
  /** Where the Sheets API is. */
  readonly apiUrl?: string
}

/** For `definePlugin<Plugin>`. */
export interface Plugin {
  readonly config: Config
  readonly on: {}
  readonly actions: {
    readonly append: { readonly input: Json; readonly data: 'data' | 'form' | 'response' | 'meta' }
  }
  readonly schedules: never
  readonly routes: never
  readonly check: true
}
