//! What each list can be sorted by and searched for, from the very lists that answer.

use control::{accounts, audit, clusters, deployments, links, models, operations, paging::List, releases, teams, tokens, users, workspaces};
use domain::page::Direction;
use serde_json::{Value, json};

/// Each operation that gives a page, with its list.
const LISTS: [(&str, &List); 16] = [
    ("list_accounts", &accounts::LIST),
    ("list_audit_events", &audit::LIST),
    ("list_clusters", &clusters::LIST),
    ("list_deployments", &deployments::LIST),
    ("list_images", &accounts::repositories::IMAGES),
    ("list_invitations", &links::INVITATIONS),
    ("list_models", &models::LIST),
    ("list_nodes", &clusters::NODES),
    ("list_operations", &operations::LIST),
    ("list_releases", &releases::LIST),
    ("list_repositories", &accounts::repositories::LIST),
    ("list_team_tokens", &tokens::OF_TEAM),
    ("list_teams", &teams::LIST),
    ("list_tokens", &tokens::LIST),
    ("list_users", &users::LIST),
    ("list_workspaces", &workspaces::LIST),
];

/// Says it at the parameters of every list.
pub(super) fn tell(document: &mut Value) {
    let operations = document["paths"].as_object_mut().into_iter().flatten().flat_map(|(_, operations)| operations.as_object_mut().into_iter().flatten());
    for (_, operation) in operations {
        let Some((_, list)) = LISTS.iter().find(|(name, _)| operation["operationId"] == *name) else { continue };
        for parameter in operation["parameters"].as_array_mut().into_iter().flatten() {
            match parameter["name"].as_str() {
                Some("search") => parameter["description"] = json!(format!("Keeps rows of which {} contains this text, in whatever case.", list.searched)),
                Some("sort") => {
                    let fields: Vec<&str> = list.sorts.iter().map(|(field, _)| *field).collect();
                    parameter["description"] = json!("What to sort by.");
                    parameter["schema"] = json!({ "type": "string", "enum": fields, "default": fields[0] });
                }
                Some("direction") => {
                    let down: Vec<&str> = list.sorts.iter().filter(|(_, direction)| *direction == Direction::Descending).map(|(field, _)| *field).collect();
                    let otherwise = match down.as_slice() {
                        [] => "ascending".to_owned(),
                        down if down.len() == list.sorts.len() => "descending".to_owned(),
                        down => format!("descending by {}, ascending otherwise", down.join(" and ")),
                    };
                    parameter["description"] = json!(format!("Which way to sort; when left out: {otherwise}."));
                }
                _ => {}
            }
        }
    }
}
