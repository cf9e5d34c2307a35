/** Packages that belong into no folder of the hub: installed once for each lock file, outside of the tree. */
import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'

/** Zapier's command line tool, and the older Node. */
export const TOOL = import.meta.dirname
/** The app. */
export const APP = join(TOOL, '..')

/** May be deleted at any time. */
const CACHE = join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'manifold-zapier')
const FILES = ['package.json', 'package-lock.json']

/** Installs what `folder` asks for where that is not done yet; answers where its `node_modules` are. */
export async function packagesOf(folder: string): Promise<string> {
  const hash = createHash('sha256').update(`${process.platform}-${process.arch}\n`)
  for (const name of FILES) hash.update(readFileSync(join(folder, name)))
  const kept = join(CACHE, hash.digest('hex').slice(0, 16))
  if (!existsSync(kept)) await install(folder, kept)
  return join(kept, 'node_modules')
}

/** It gets its name once it is whole: a run that was cut off, or another one at the same time, leaves no half of it there. */
async function install(folder: string, kept: string): Promise<void> {
  mkdirSync(CACHE, { recursive: true })
  const mine = mkdtempSync(`${kept}.`)
  try {
    for (const name of FILES) cpSync(join(folder, name), join(mine, name))
    await npmCi(mine)
    if (!existsSync(kept)) renameSync(mine, kept)
  } catch (error) {
    if (!existsSync(kept)) throw error
  } finally {
    rmSync(mine, { recursive: true, force: true })
  }
}

/** Installs what the lock file of the folder says; rejects with what npm said. */
async function npmCi(folder: string): Promise<void> {
  const args = ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error']
  const npm = spawn('npm', args, { cwd: folder, stdio: ['ignore', 'ignore', 'pipe'] })
  let said = ''
  npm.stderr.setEncoding('utf8').on('data', (text: string) => (said += text))
  const code = await new Promise((resolve, reject) => npm.on('error', reject).on('close', resolve))
  if (code !== 0) throw new Error(`npm ci in ${folder} ended with ${String(code)}:\n${said}`)
}
