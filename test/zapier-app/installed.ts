/** The packages of the app, which has a lock file of its own: brought from the registry when they are not there. */
import { spawn } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { ROOT } from '../support/hub.ts'

export const APP = `${ROOT}zapier-app/`

/** Resolves when the app can be loaded; rejects with what npm said. */
export async function installApp(): Promise<void> {
  if (isInstalled()) return
  const args = ['ci', '--ignore-scripts', '--omit=dev', '--no-audit', '--no-fund', '--loglevel=error']
  const npm = spawn('npm', args, { cwd: APP, stdio: ['ignore', 'ignore', 'pipe'] })
  let said = ''
  npm.stderr.setEncoding('utf8').on('data', (text: string) => (said += text))
  const code = await new Promise((resolve, reject) => npm.on('error', reject).on('close', resolve))
  if (code !== 0) throw new Error(`npm ci in zapier-app ended with ${String(code)}:\n${said}`)
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
