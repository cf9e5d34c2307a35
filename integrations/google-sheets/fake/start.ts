/** The double by hand: `node integrations/google-sheets/fake/start.ts [--port N]` prints an installation that writes there, then each row. */
import { startByHand } from '../../../test/support/by-hand.ts'
import { startFakeSheets } from './server.ts'

const google = await startByHand((port) => startFakeSheets({ port }))
google.kept = (rows) => {
  for (const row of rows) process.stdout.write(`${JSON.stringify(row)}\n`)
}
const settings = { spreadsheet: google.spreadsheet.id, tab: 'Answers', apiUrl: google.url, credentials: google.keyFile }
process.stdout.write(`network: { allow: ["127.0.0.1/32"] }
installations:
  - { id: answers, use: google-sheets, with: ${JSON.stringify(settings)} }
`)
