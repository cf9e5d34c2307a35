/** The double by hand: `node integrations/slack/fake/start.ts [--port N]` prints an installation that posts there, then each message. */
import { startByHand } from '../../../test/support/by-hand.ts'
import { startSlack } from './slack.ts'

const TOKEN = 'xoxb-of-the-double'
const slack = await startByHand((port) =>
  startSlack({ token: TOKEN, port, onPosted: (posted) => process.stdout.write(`${JSON.stringify(posted)}\n`) }),
)
process.stdout.write(`network: { allow: ["127.0.0.1/32"] }
installations:
  - { id: slack, use: slack, with: { token: ${TOKEN}, channel: C0123456789, apiUrl: ${slack.apiUrl} } }
`)
