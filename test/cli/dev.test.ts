/** `manifold dev` beside an author who edits a plugin. */
import { spawn } from 'node:child_process'
import { readFile, writeFile } from 'node:fs/promises'
import { expect, it } from 'vitest'
import { ROOT } from '../support/hub.ts'
import { tempDir } from '../support/temp.ts'
import { until } from '../support/wait.ts'
import { runCli } from './run-cli.ts'

it('says that a saved plugin asks for more and how to grant it, since the version before goes on running', async () => {
  await using temp = await tempDir('dev')
  expect((await runCli(temp.path, ['plugin', 'new', 'fresh'])).code).toBe(0)
  await writeFile(
    temp.file('manifold.yaml'),
    'pluginDirs: [my-plugins]\ninstallations:\n  - { id: fresh, use: fresh, with: { url: "https://receiver.example/hook" } }\n',
  )
  const child = spawn(`${ROOT}node_modules/.bin/node`, [`${ROOT}core/cli/main.ts`, 'dev', '--port', '0'], {
    cwd: temp.path,
    env: { PATH: process.env['PATH'], HOME: process.env['HOME'] },
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  const ended = new Promise((done) => child.once('close', done))
  let said = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => (said += text))
  try {
    await until('dev to follow the folders', () => said, { accept: (text) => text.includes('following manifold.yaml') })
    const file = temp.file('my-plugins/fresh/plugin.json')
    const manifest = JSON.parse(await readFile(file, 'utf8')) as { permissions: object }
    await writeFile(file, JSON.stringify({ ...manifest, permissions: { ...manifest.permissions, kv: true } }))
    await until('dev to tell', () => said, { accept: (text) => text.includes('manifold plugin approve fresh') })
    expect(said).toContain('fresh 0.1.0 asks for more and waits: + kv')
  } finally {
    child.kill('SIGTERM')
    await ended
  }
})
