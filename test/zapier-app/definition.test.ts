/** The Zapier app's definition: the platform takes it, it compiles, keeps Zapier's rules, and is what was published. */
import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { beforeAll, expect, test } from 'vitest'
import { broken, snapshotOf, textOfSnapshot } from '../../zapier-app/lint/compatibility.ts'
import type { Snapshot } from '../../zapier-app/lint/compatibility.ts'
import { listingFindings } from '../../zapier-app/lint/listing.ts'
import { lint } from '../../zapier-app/lint/rules.ts'
import { ROOT } from '../support/hub.ts'
import { APP, INSTALL_MS, loadApp } from './installed.ts'
import type { LoadedApp } from './installed.ts'

let core: LoadedApp['core']
let app: LoadedApp['app']
beforeAll(async () => {
  ;({ core, app } = await loadApp())
}, INSTALL_MS)

test('is what the platform takes', async () => {
  expect((await core.createAppHandler(app)({ command: 'validate' })).results).toEqual([])
})

test('compiles by its own rules', async () => {
  const tsc = spawn(process.execPath, [`${ROOT}node_modules/typescript/bin/tsc`, '-p', APP, '--noEmit'])
  let said = ''
  tsc.stdout.setEncoding('utf8').on('data', (text: string) => (said += text))
  const code = await new Promise((resolve) => tsc.on('close', resolve))
  expect(code, said).toBe(0)
})

test('breaks no publishing rule that can be known here, and nothing that is published', () => {
  const packageJson = JSON.parse(readFileSync(`${APP}package.json`, 'utf8')) as { description: string }
  const { description } = packageJson
  expect([...lint(app), ...listingFindings({ description, logo: readFileSync(`${APP}logo.png`) })]).toEqual([])
  const published = readFileSync(`${APP}definition.json`, 'utf8')
  expect(broken(JSON.parse(published) as Snapshot, snapshotOf(app))).toEqual([])
  // A new step or input is published with the next version: then the snapshot says so.
  const writes = 'definition.json is not that of the app: in zapier-app, with the next version, npm run definition'
  expect(textOfSnapshot(snapshotOf(app)), writes).toBe(published)
})
