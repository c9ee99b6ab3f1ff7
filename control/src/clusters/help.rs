//! What an admin can do to let Slipway in: commands for the AWS CLI, lines for `aws-auth`, the manifest.

use domain::cluster::AccessHelp;

use super::{manifest::Manifest, rights::GROUP};
use crate::{
    Result,
    aws::eks::{has_access_entries, has_config_map},
};

/// The cluster that needs access.
pub(super) struct Subject<'a> {
    pub region: &'a str,
    pub eks_name: &'a str,
    pub authentication_mode: &'a str,
    pub principal: &'a str,
    pub may_set_up: bool,
}

/// Everything an admin needs to know.
pub(super) fn help(cluster: &Subject<'_>) -> Result<AccessHelp> {
    let entries = has_access_entries(cluster.authentication_mode);
    Ok(AccessHelp {
        principal_arn: cluster.principal.into(),
        group: GROUP.into(),
        access_entry_commands: entries.then(|| commands(cluster)),
        aws_auth_commands: has_config_map(cluster.authentication_mode).then(|| aws_auth_commands(cluster)),
        aws_auth_lines: has_config_map(cluster.authentication_mode).then(|| lines(cluster.principal)),
        manifest: Manifest::new().yaml()?,
        one_click: entries && cluster.may_set_up,
    })
}

fn commands(cluster: &Subject<'_>) -> String {
    let (region, name, principal) = (quoted(cluster.region), quoted(cluster.eks_name), quoted(cluster.principal));
    format!(
        "aws eks create-access-entry --region {region} --cluster-name {name} \\\n  --principal-arn {principal} --kubernetes-groups {GROUP}\n\
         # If it has an entry already, look at its groups, and list all of them with {GROUP} among them: what is not listed is taken away.\n\
         # aws eks describe-access-entry --region {region} --cluster-name {name} --principal-arn {principal} --query accessEntry.kubernetesGroups\n\
         # aws eks update-access-entry --region {region} --cluster-name {name} --principal-arn {principal} --kubernetes-groups {GROUP}\n\
         # Then apply the manifest below as an admin of the cluster:\n\
         aws eks update-kubeconfig --region {region} --name {name}\n\
         kubectl apply --server-side -f slipway-access.yaml\n"
    )
}

/// The same by the ConfigMap, which is created only where there is none: it may map the nodes.
fn aws_auth_commands(cluster: &Subject<'_>) -> String {
    let (region, name) = (quoted(cluster.region), quoted(cluster.eks_name));
    let data: String = lines(cluster.principal).lines().map(|line| format!("  {line}\n")).collect();
    format!(
        "# As an admin of the cluster, look whether there is the ConfigMap:\n\
         aws eks update-kubeconfig --region {region} --name {name}\n\
         kubectl get configmap aws-auth --namespace kube-system\n\
         # If there is none, create it:\n\
         kubectl create -f - <<'EOF'\n\
         apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: aws-auth\n  namespace: kube-system\ndata:\n{data}EOF\n\
         # If there is one, add the lines below to the list it has, and leave the others as they are:\n\
         # kubectl edit configmap aws-auth --namespace kube-system\n\
         # Then apply the manifest below:\n\
         kubectl apply --server-side -f slipway-access.yaml\n"
    )
}

/// The mapper compares role ARNs without their path, so the path is left out here.
fn lines(principal: &str) -> String {
    let (list, key, arn) = match principal.split_once(":role/") {
        Some((head, role)) => ("mapRoles", "rolearn", format!("{head}:role/{}", role.rsplit('/').next().unwrap_or(role))),
        None => ("mapUsers", "userarn", principal.to_owned()),
    };
    format!("{list}: |\n  - {key}: {arn}\n    username: slipway\n    groups:\n      - {GROUP}\n")
}

/// Text as one word of a shell.
fn quoted(text: &str) -> String {
    let plain = !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_./:@+=,".contains(&b));
    if plain { text.to_owned() } else { format!("'{}'", text.replace('\'', r"'\''")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subject<'a>(mode: &'a str, principal: &'a str) -> Subject<'a> {
        Subject { region: "eu-west-1", eks_name: "lab", authentication_mode: mode, principal, may_set_up: true }
    }

    #[test]
    fn commands_come_only_where_the_mode_has_access_entries() {
        let role = "arn:aws:iam::123456789012:role/team/slipway";
        let both = help(&subject("API_AND_CONFIG_MAP", role)).unwrap();
        let commands = both.access_entry_commands.unwrap();
        assert!(commands.contains("--principal-arn arn:aws:iam::123456789012:role/team/slipway --kubernetes-groups slipway"), "{commands}");
        assert!(commands.contains("list all of them with slipway among them"), "updating replaces the list: {commands}");
        let copied: Vec<&str> = commands.lines().filter(|line| line.starts_with("aws ")).map(|line| line.split(' ').nth(2).unwrap()).collect();
        assert_eq!(copied, ["create-access-entry", "update-kubeconfig"], "what takes groups away is nothing to run unread");
        assert_eq!(both.aws_auth_lines.as_deref(), Some("mapRoles: |\n  - rolearn: arn:aws:iam::123456789012:role/slipway\n    username: slipway\n    groups:\n      - slipway\n"));
        assert!(both.one_click);
        let old = help(&subject("CONFIG_MAP", role)).unwrap();
        assert_eq!((old.access_entry_commands, old.one_click), (None, false));
        let api = help(&subject("API", role)).unwrap();
        assert_eq!((api.aws_auth_lines, api.aws_auth_commands), (None, None));
    }

    #[test]
    fn the_config_map_is_created_only_where_there_is_none() {
        let commands = help(&subject("CONFIG_MAP", "arn:aws:iam::123456789012:role/team/slipway")).unwrap().aws_auth_commands.unwrap();
        let run: Vec<&str> = commands.lines().filter(|line| line.starts_with("aws ") || line.starts_with("kubectl ")).collect();
        let expected = [
            "aws eks update-kubeconfig --region eu-west-1 --name lab",
            "kubectl get configmap aws-auth --namespace kube-system",
            "kubectl create -f - <<'EOF'",
            "kubectl apply --server-side -f slipway-access.yaml",
        ];
        assert_eq!(run, expected);
        let written = commands.split("<<'EOF'\n").nth(1).unwrap().split("EOF\n").next().unwrap();
        let map: k8s_openapi::api::core::v1::ConfigMap = serde_norway::from_str(written).unwrap();
        assert_eq!((map.metadata.name.as_deref(), map.metadata.namespace.as_deref()), (Some("aws-auth"), Some("kube-system")));
        let roles = "- rolearn: arn:aws:iam::123456789012:role/slipway\n  username: slipway\n  groups:\n    - slipway\n";
        assert_eq!(map.data.unwrap()["mapRoles"], roles);
    }

    #[test]
    fn a_user_is_mapped_as_a_user() {
        assert!(lines("arn:aws:iam::123456789012:user/slipway").starts_with("mapUsers: |\n  - userarn: arn:aws:iam::123456789012:user/slipway\n"));
    }

    #[test]
    fn words_cannot_break_out_of_a_command() {
        assert_eq!(quoted("a'; rm -rf /"), r"'a'\''; rm -rf /'");
    }
}
