/** What a filled past is without: deliveries that died, by some causes, and responses that were put aside. For both kinds of store. */

/** Of so many deliveries one died; of twice as many responses one waits in quarantine. */
const ONE_IN = 20
const CAUSES = 7

/** In this order, in one transaction: what is counted of the lane is moved as well. */
export const TROUBLE: readonly string[] = [
  `UPDATE deliveries SET state = 'dead', reason = 'permanent_reject', error_code = 'http_404',
     error = 'The receiver answered 404 at door ' || (event_seq % ${CAUSES}) || '.', cause = 'door-' || (event_seq % ${CAUSES})
   WHERE event_seq % ${ONE_IN} = 0 AND state = 'delivered'`,
  `UPDATE lane_counts SET delivered = (SELECT count(*) FROM deliveries d WHERE d.workspace = lane_counts.workspace
       AND d.installation = lane_counts.installation AND d.state = 'delivered'),
     dead = (SELECT count(*) FROM deliveries d WHERE d.workspace = lane_counts.workspace
       AND d.installation = lane_counts.installation AND d.state = 'dead')`,
  `INSERT INTO quarantine (workspace, id, form_id, form_version, status, verdict, code, message, installation, plugin,
     event_id, received_at, received, meta, data)
   SELECT r.workspace, 'rsp_aside' || substr(r.id, 5), r.form_id, 1, r.status, 'rejected', 'unwanted', 'Not like this.',
     'sink', 'webhooks', 'evt_aside' || substr(r.id, 5), r.created_at, r.data, '{}', r.data
   FROM deliveries d JOIN responses r ON r.workspace = d.workspace AND r.id = d.response_id
   WHERE d.event_seq % ${ONE_IN * 2} = 0`,
]
