/** The packages of the app, which has a lock file of its own: brought from the registry when they are not there. */
import { cpSync, existsSync, mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs'
import type { Definition } from '../../zapier-app/lint/definition.ts'
import { packagesOf } from '../../zapier-app/offline/packages.ts'
import { ROOT } from '../support/hub.ts'

export const APP = `${ROOT}zapier-app/`

/** What of zapier-platform-core runs an app here; it is installed with the app alone. */
interface Platform {
  createAppTester(app: unknown): Run
  createAppHandler(app: unknown): (event: object) => Promise<{ readonly results: unknown }>
}

/** Runs one function of the app as Zapier does. */
export type Run = (perform: unknown, bundle: object) => Promise<never>

export interface LoadedApp {
  readonly core: Platform
  readonly app: Definition & { readonly authentication: { readonly test: unknown } }
  readonly run: Run
}

/** The packages may have to come from a slow registry first. */
export const INSTALL_MS = 300_000

/** The app, and the platform around it; installed where they are not. */
export async function loadApp(): Promise<LoadedApp> {
  await installApp()
  // Named by paths, since neither can be resolved where the app is not installed.
  const core = (await import(`${APP}node_modules/zapier-platform-core/index.mjs`)) as Platform
  const { default: app } = (await import(`${APP}src/index.ts`)) as { default: LoadedApp['app'] }
  return { core, app, run: core.createAppTester(app) }
}

/** Rejects with what npm said. Of test files that do it at the same time the first one through counts, and nobody sees a half. */
async function installApp(): Promise<void> {
  if (isInstalled()) return
  const modules = await packagesOf(APP)
  const mine = mkdtempSync(`${ROOT}node_modules/.zapier-app-`)
  try {
    cpSync(modules, mine, { recursive: true, verbatimSymlinks: true })
    put(mine, `${APP}node_modules`)
  } finally {
    rmSync(mine, { recursive: true, force: true })
  }
}

/** A folder that is there is older, or that of another file which was quicker. */
function put(mine: string, place: string): void {
  try {
    renameSync(mine, place)
  } catch (error) {
    if (!existsSync(place)) throw error
    if (isInstalled()) return
    rmSync(place, { recursive: true })
    renameSync(mine, place)
  }
}

interface Lock {
  readonly packages: { readonly [path: string]: { readonly version?: string } | undefined }
}

/** npm writes down what it has installed when it is through: a run that was cut off leaves nothing. */
function isInstalled(): boolean {
  const core = 'node_modules/zapier-platform-core'
  const versionIn = (file: string): string | undefined =>
    (JSON.parse(readFileSync(APP + file, 'utf8')) as Lock).packages[core]?.version
  const written = 'node_modules/.package-lock.json'
  return existsSync(APP + written) && versionIn(written) === versionIn('package-lock.json')
}
