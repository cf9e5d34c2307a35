// First code of every command: installs packages when needed, finds Node 24, then hands over to it. Runs on Node 18 and newer.
import { spawn, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { closeSync, existsSync, openSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { constants, tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const NODE_MAJOR_MIN = 24
const root = dirname(dirname(fileURLToPath(import.meta.url)))
const modules = join(root, 'node_modules')
const stampFile = join(modules, '.manifold-installed')
const lockText = readFileSync(join(root, 'package-lock.json'), 'utf8')
const wanted = `${createHash('sha256').update(lockText).digest('hex')} ${process.platform}-${process.arch}\n`

const say = (text) => process.stderr.write(`${text}\n`)

/** What the `--npm` verbs run, in order; the first that fails ends it. */
const TASKS = {
  test: [['tests', 'vitest/vitest.mjs', 'run', '--config', 'test/vitest.config.ts']],
  check: [
    ['types', 'typescript/bin/tsc'],
    [
      'lint',
      'oxlint/bin/oxlint',
      '--config',
      'test/architecture/oxlint.json',
      '--ignore-path',
      'test/architecture/lint.ignore',
      '--type-aware',
      '--deny-warnings',
      'core',
      'plugins',
      'integrations',
      'test',
    ],
    [
      'format',
      'oxfmt/bin/oxfmt',
      '--config',
      'test/architecture/oxfmt.json',
      '--ignore-path',
      'test/architecture/lint.ignore',
      '--check',
      'core',
      'plugins',
      'integrations',
      'test',
    ],
    ['dead code', 'knip/bin/knip.js', '--config', 'test/architecture/knip.json'],
    ['architecture', 'vitest/vitest.mjs', 'run', '--config', 'test/vitest.config.ts', 'test/architecture'],
  ],
  bench: [['bench', '../test/bench/run.ts']],
}

await install()
// Parsed code is kept between starts: the program tells its threads, we tell the program.
process.env.NODE_COMPILE_CACHE ??= join(modules, '.cache', 'manifold')
const node = findNode()
const [first, second, ...rest] = process.argv.slice(2)
if (first === '--npm') runTasks(second, rest)
else handOver([join(root, 'core/cli/main.ts'), ...process.argv.slice(2)])

/** Brings node_modules up to package-lock.json; a second start only compares a stamp. */
async function install() {
  if (readOr(stampFile, '') === wanted) return
  const release = await takeTurn()
  try {
    if (readOr(stampFile, '') === wanted) return
    if (!installedMatches()) await runNpm()
    writeFileSync(stampFile, wanted)
  } finally {
    release()
  }
}

/** True when somebody ran `npm ci` by hand: every package npm wrote down is the one the lock file asks for. */
function installedMatches() {
  const installed = readOr(join(modules, '.package-lock.json'), '')
  if (installed === '') return false
  const have = JSON.parse(installed).packages
  for (const [path, entry] of Object.entries(JSON.parse(lockText).packages)) {
    if (path === '' || entry.link) continue
    const mine = have[path]
    if (mine ? mine.version !== entry.version : !entry.optional && !entry.devOptional) return false
  }
  return true
}

async function runNpm() {
  const total = Object.keys(JSON.parse(lockText).packages).filter((path) =>
    /^node_modules\/(@[^/]+\/)?[^/]+$/.test(path),
  ).length
  const startedMs = Date.now()
  const own = process.env.npm_execpath
  const [command, args] = own && own.endsWith('npm-cli.js') ? [process.execPath, [own]] : ['npm', []]
  const npm = spawn(command, [...args, 'ci', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'], {
    cwd: root,
    stdio: ['ignore', 'ignore', 'pipe'],
    shell: command === 'npm' && process.platform === 'win32',
  })
  let complaints = ''
  npm.stderr.on('data', (chunk) => (complaints += chunk))
  const stopProgress = showProgress(total)
  const stop = () => npm.kill()
  process.once('SIGINT', stop).once('SIGTERM', stop)
  const code = await new Promise((resolve) =>
    npm.on('close', resolve).on('error', (error) => ((complaints += error.message), resolve(1))),
  )
  process.off('SIGINT', stop).off('SIGTERM', stop)
  stopProgress()
  if (code !== 0) {
    say(
      `manifold: installing packages failed (npm ci ended with ${code ?? 'a signal'}). Check the network and try again.`,
    )
    say(complaints.trim().split('\n').slice(-15).join('\n'))
    process.exit(1)
  }
  say(`manifold: packages installed in ${Math.round((Date.now() - startedMs) / 1000)} s`)
}

/** A line that counts folders on a terminal; elsewhere one line to say what is going on. */
function showProgress(total) {
  if (!process.stderr.isTTY) {
    say(`manifold: installing ${total} packages (only needed once) ...`)
    return () => {}
  }
  const frames = ['|', '/', '-', '\\']
  let n = 0
  const timer = setInterval(() => {
    process.stderr.write(`\r\x1b[2K${frames[n++ % 4]} manifold: installing packages ${countInstalled()}/${total}`)
  }, 200)
  return () => {
    clearInterval(timer)
    process.stderr.write('\r\x1b[2K')
  }
}

function countInstalled() {
  try {
    return readdirSync(modules).reduce((sum, name) => {
      if (name.startsWith('.')) return sum
      return sum + (name.startsWith('@') ? readdirSync(join(modules, name)).length : 1)
    }, 0)
  } catch {
    return 0
  }
}

/** Two commands on a fresh clone must not both run `npm ci` in one folder: the second waits for the first. */
async function takeTurn() {
  const file = join(tmpdir(), `manifold-install-${createHash('sha256').update(root).digest('hex').slice(0, 16)}.pid`)
  for (let told = false; ; told = true) {
    try {
      const handle = openSync(file, 'wx')
      writeFileSync(handle, String(process.pid))
      closeSync(handle)
      return () => rmSync(file, { force: true })
    } catch (error) {
      if (error.code !== 'EEXIST') return () => {}
    }
    const owner = Number(readOr(file, ''))
    if (owner > 0 && !isAlive(owner)) rmSync(file, { force: true })
    else if (!told) say('manifold: another command is installing packages; waiting for it ...')
    await new Promise((resolve) => setTimeout(resolve, 300))
  }
}

function isAlive(pid) {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return error.code === 'EPERM'
  }
}

function findNode() {
  const brought = [
    join(modules, '.bin', 'node'),
    join(modules, `node-${process.platform}-${process.arch}`, 'bin', 'node'),
    join(modules, `node-win-${process.arch}`, 'bin', 'node.exe'),
  ]
  const found = brought.find((file) => existsSync(file))
  if (found) return found
  if (Number(process.versions.node.split('.')[0]) >= NODE_MAJOR_MIN) return process.execPath
  say(
    `manifold: needs Node ${NODE_MAJOR_MIN} or newer; this is ${process.version} and none is packaged for ${process.platform}-${process.arch}.`,
  )
  say(`manifold: install it from https://nodejs.org and run the same command again.`)
  process.exit(1)
}

/** Runs the tools of a `--npm` verb one after the other, on Node 24, stopping at the first that fails. */
function runTasks(name, extra) {
  const steps = TASKS[name]
  if (!steps) {
    say(`manifold: --npm takes ${Object.keys(TASKS).join(', ')}`)
    process.exit(2)
  }
  process.chdir(root)
  const last = steps.length - 1
  for (const [n, [title, script, ...args]] of steps.entries()) {
    const passed = n === last ? extra : []
    if (n === last && steps.length === 1) return handOver([join(modules, script), ...args, ...passed])
    const startedMs = Date.now()
    const { status } = spawnSync(node, [join(modules, script), ...args, ...passed], { cwd: root, stdio: 'inherit' })
    if (status !== 0) {
      say(`\n✖ ${title} failed (step ${n + 1} of ${steps.length})`)
      process.exit(status ?? 1)
    }
    say(`✔ ${title} (${((Date.now() - startedMs) / 1000).toFixed(1)} s)`)
  }
}

/**
 * Becomes Node 24 where the platform can replace a process; else runs it as a child that gets our signals and whose
 * end is ours. The child holds one end of a pipe (the IPC channel), so it also notices when we are killed outright.
 */
function handOver(args) {
  if (typeof process.execve === 'function' && process.platform !== 'win32') {
    process.emitWarning = () => {} // execve is marked experimental; that is no news for the person at the keyboard
    process.execve(node, [node, ...args], process.env)
  }
  const child = spawn(node, args, { stdio: ['inherit', 'inherit', 'inherit', 'ipc'] })
  for (const signal of ['SIGTERM', 'SIGHUP', 'SIGINT', 'SIGUSR2']) {
    process.on(signal, () => {
      // A terminal sends Ctrl-C to the whole group: forwarding it would make it two.
      if (signal === 'SIGINT' && process.stdin.isTTY) return
      child.kill(signal)
    })
  }
  child.on('error', (error) => {
    say(`manifold: cannot run ${node}: ${error.message}`)
    process.exit(1)
  })
  child.on('exit', (code, signal) => process.exit(signal ? 128 + (constants.signals[signal] ?? 0) : (code ?? 1)))
}

function readOr(file, fallback) {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return fallback
  }
}
