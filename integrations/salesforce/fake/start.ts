/** The double by hand: `node integrations/salesforce/fake/start.ts [--port N]` prints an installation that writes there, then each record. */
import { startByHand } from '../../../test/support/by-hand.ts'
import { startFake } from './server.ts'

const { url, app, org } = await startByHand((port) => startFake({ port }))
org.onWrite = (record, created) => process.stdout.write(`${JSON.stringify({ created, ...record })}\n`)
const settings = {
  instanceUrl: url,
  auth: { flow: 'client_credentials', clientId: app.clientId, clientSecret: app.clientSecret },
  object: 'Lead',
  fields: { LastName: '{{data.name}}{{^data.name}}?{{/data.name}}', Company: '{{form.name}}', Email: '{{data.email}}' },
}
process.stdout.write(`network: { allow: ["127.0.0.1/32"] }
installations:
  - { id: crm, use: salesforce, pii: true, with: ${JSON.stringify(settings)} }
`)
