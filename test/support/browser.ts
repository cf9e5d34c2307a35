/** A real browser without a window. */
import { execFile, spawn } from 'node:child_process'
import { promisify } from 'node:util'
import { tempDir } from './temp.ts'

const run = promisify(execFile)
const APT_TIMEOUT_MS = 180_000
const USER_AGENT =
  'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Safari/537.36'
const COMMANDS = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable']

/** Finds Chromium, on Debian as root installs it; else throws one line that says what to do. */
export async function ensureBrowser(): Promise<string> {
  const found = await which()
  if (found !== undefined) return found
  if (process.getuid?.() === 0) {
    const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
    const apt = (args: readonly string[]) => run('apt-get', ['-qq', ...args], { env, timeout: APT_TIMEOUT_MS })
    await apt(['update']).catch(() => undefined)
    await apt(['install', '-y', '--no-install-recommends', 'chromium']).catch(() => undefined)
  }
  const installed = await which()
  if (installed === undefined)
    throw new Error('This test needs Chromium: install it with `sudo apt-get install chromium` and run it again.')
  return installed
}

async function which(): Promise<string | undefined> {
  for (const command of COMMANDS) {
    const isThere = await run(command, ['--version']).then(
      () => true,
      () => false,
    )
    if (isThere) return command
  }
  return undefined
}

/** `await using _ = await browse(url)`: a visitor on that page, until it is disposed. */
export async function browse(url: string): Promise<AsyncDisposable> {
  const command = await ensureBrowser()
  const profile = await tempDir('browser')
  const args = [
    // Else it says that nobody sits before it.
    `--user-agent=${USER_AGENT}`,
    '--headless',
    '--no-sandbox',
    '--disable-gpu',
    '--disable-dev-shm-usage',
    '--no-first-run',
  ]
  // A group of its own, since it starts many processes.
  const child = spawn(command, [...args, `--user-data-dir=${profile.path}`, url], { stdio: 'ignore', detached: true })
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()))
  return {
    [Symbol.asyncDispose]: async () => {
      if (child.pid !== undefined && child.exitCode === null) process.kill(-child.pid, 'SIGKILL')
      await ended
      await profile[Symbol.asyncDispose]()
    },
  }
}
