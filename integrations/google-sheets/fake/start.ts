/** The double by hand: `node integrations/google-sheets/fake/start.ts [--port N]` prints an installation that writes there, then each row. */
import { parseArgs } from 'node:util'
import { startFakeSheets } from './server.ts'

const { values } = parseArgs({ options: { port: { type: 'string', default: '0' } } })
const google = await startFakeSheets({ port: Number(values.port) })
google.kept = (rows) => {
  for (const row of rows) process.stdout.write(`${JSON.stringify(row)}\n`)
}
const settings = { spreadsheet: google.spreadsheet.id, tab: 'Answers', apiUrl: google.url, credentials: google.keyFile }
process.stdout.write(`network: { allow: ["127.0.0.1/32"] }
installations:
  - { id: answers, use: google-sheets, with: ${JSON.stringify(settings)} }
`)
