"""A strict check of a Kubernetes Job: the fields that the public API description of version 1.33 has, and no others."""

import re
from typing import Any

# Fields by type, each with its own: a list of it with [], a map with {}; required ones with *. Without a type: fields
# that there are, and that our manifests do not use.
FIELDS = {
    "Job": """
        apiVersion*:string kind*:string metadata*:ObjectMeta spec*:JobSpec
    """,
    "ObjectMeta": """
        annotations:{}string deletionGracePeriodSeconds:integer finalizers:[]string generateName:string
        generation:integer labels:{}string name:string namespace:string resourceVersion:string selfLink:string
        uid:string creationTimestamp deletionTimestamp managedFields ownerReferences
    """,
    "JobSpec": """
        activeDeadlineSeconds:integer backoffLimit:integer backoffLimitPerIndex:integer completionMode:string
        completions:integer managedBy:string manualSelector:boolean maxFailedIndexes:integer parallelism:integer
        podReplacementPolicy:string suspend:boolean template*:PodTemplateSpec ttlSecondsAfterFinished:integer
        podFailurePolicy selector successPolicy
    """,
    "PodTemplateSpec": """
        metadata:ObjectMeta spec:PodSpec
    """,
    "PodSpec": """
        activeDeadlineSeconds:integer automountServiceAccountToken:boolean containers*:[]Container
        dnsPolicy:string enableServiceLinks:boolean hostIPC:boolean hostNetwork:boolean hostPID:boolean
        hostUsers:boolean hostname:string initContainers:[]Container nodeName:string nodeSelector:{}string
        overhead:{}quantity preemptionPolicy:string priority:integer priorityClassName:string
        resources:ResourceRequirements restartPolicy:string runtimeClassName:string schedulerName:string
        serviceAccount:string serviceAccountName:string setHostnameAsFQDN:boolean shareProcessNamespace:boolean
        subdomain:string terminationGracePeriodSeconds:integer volumes:[]Volume affinity dnsConfig
        ephemeralContainers hostAliases imagePullSecrets os readinessGates resourceClaims schedulingGates
        securityContext tolerations topologySpreadConstraints
    """,
    "Container": """
        args:[]string command:[]string env:[]EnvVar image:string imagePullPolicy:string name*:string
        resources:ResourceRequirements restartPolicy:string stdin:boolean stdinOnce:boolean
        terminationMessagePath:string terminationMessagePolicy:string tty:boolean volumeMounts:[]VolumeMount
        workingDir:string envFrom lifecycle livenessProbe ports readinessProbe resizePolicy securityContext
        startupProbe volumeDevices
    """,
    "EnvVar": """
        name*:string value:string valueFrom
    """,
    "ResourceRequirements": """
        limits:{}quantity requests:{}quantity claims
    """,
    "VolumeMount": """
        mountPath*:string mountPropagation:string name*:string readOnly:boolean recursiveReadOnly:string
        subPath:string subPathExpr:string
    """,
    "Volume": """
        name*:string persistentVolumeClaim:PersistentVolumeClaimVolumeSource awsElasticBlockStore azureDisk
        azureFile cephfs cinder configMap csi downwardAPI emptyDir ephemeral fc flexVolume flocker
        gcePersistentDisk gitRepo glusterfs hostPath image iscsi nfs photonPersistentDisk portworxVolume
        projected quobyte rbd scaleIO secret storageos vsphereVolume
    """,
    "PersistentVolumeClaimVolumeSource": """
        claimName*:string readOnly:boolean
    """,
}
PLAIN = {"string": str, "boolean": bool, "integer": int, "quantity": (str, int)}
QUANTITY = re.compile(r"[0-9]+([.][0-9]+)?([eE][0-9]+|m|[kMGTPE]i?)?")


def faults_of(value: Any, kind: str = "Job", place: str = "") -> list[str]:
    """What is wrong with a manifest, each with its place; empty for a sound one."""
    if kind.startswith("[]"):
        if not isinstance(value, list):
            return [f"{place}: no list"]
        return [fault for i, part in enumerate(value) for fault in faults_of(part, kind[2:], f"{place}[{i}]")]
    if kind.startswith("{}"):
        if not isinstance(value, dict):
            return [f"{place}: no map"]
        return [fault for name, part in value.items() for fault in faults_of(part, kind[2:], f"{place}.{name}")]
    if kind in PLAIN:
        sound = isinstance(value, PLAIN[kind]) and (kind == "boolean") == isinstance(value, bool)
        sound = sound and (kind != "quantity" or QUANTITY.fullmatch(str(value)) is not None)
        return [] if sound else [f"{place}: {value!r} is no {kind}"]
    if not isinstance(value, dict):
        return [f"{place}: {value!r} is no {kind}"]
    known = {
        name.rstrip("*"): (name.endswith("*"), of) for name, _, of in (f.partition(":") for f in FIELDS[kind].split())
    }
    faults = [f"{place}: lacks {name}" for name, (required, _) in known.items() if required and name not in value]
    for name, part in value.items():
        own = known.get(name, (False, ""))[1]
        faults += faults_of(part, own, f"{place}.{name}") if own else [f"{place}.{name}: not known to {kind}"]
    return faults
