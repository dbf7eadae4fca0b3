{{/*
What every workload shares. They are called with `root` (the chart's context), `component` (api, ingest, invoice-cron or
migrate) and `settings` (its values).
*/}}

{{/* What each program needs: secrets by their name, and dependencies by their name in networkPolicy.egress. */}}
{{- define "billing.needs" -}}
api: {secrets: [database-api, s3], egress: [postgres, s3, issuer]}
ingest: {secrets: [database-worker, nats], egress: [postgres, redis, nats]}
invoice-cron: {secrets: [database-worker, s3, nats], egress: [postgres, nats, s3]}
migrate: {secrets: [database-owner], egress: [postgres]}
{{- end }}

{{/* Name of a workload. */}}
{{- define "billing.name" -}}
{{- $name := .root.Values.fullnameOverride -}}
{{- if eq .component "api" -}}{{ $name }}{{- else -}}{{ $name }}-{{ .component }}{{- end -}}
{{- end }}

{{/* The migration runs before anything else is there, and as somebody else: only it may change the schema. */}}
{{- define "billing.serviceAccount" -}}
{{- if eq .component "migrate" -}}{{ .root.Values.serviceAccount.name }}-migrate{{- else -}}{{ .root.Values.serviceAccount.name }}{{- end -}}
{{- end }}

{{- define "billing.selector" -}}
app.kubernetes.io/name: {{ .root.Values.fullnameOverride }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end }}

{{- define "billing.labels" -}}
{{ include "billing.selector" . }}
app.kubernetes.io/version: {{ include "billing.tag" . | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ .root.Chart.Name }}-{{ .root.Chart.Version }}
{{- end }}

{{/* A workload's own tag, else that of all, else the chart's. */}}
{{- define "billing.tag" -}}
{{ coalesce (.settings | default dict).tag .root.Values.image.tag .root.Chart.AppVersion }}
{{- end }}

{{/* The Vault Agent writes each secret as one JSON object of texts, as BILLING_CREDENTIALS=files reads it. */}}
{{- define "billing.vaultAnnotations" -}}
{{- $vault := .root.Values.vault -}}
vault.hashicorp.com/agent-inject: "true"
vault.hashicorp.com/role: {{ get (dict "invoice-cron" $vault.cronRole "migrate" $vault.migrateRole) .component | default $vault.role | quote }}
vault.hashicorp.com/agent-run-as-same-user: "true"
vault.hashicorp.com/agent-set-security-context: "true"
# It counts with the pod where the autoscaler looks at the processor.
vault.hashicorp.com/agent-requests-cpu: 25m
vault.hashicorp.com/agent-limits-cpu: 250m
{{- if has .component (list "invoice-cron" "migrate") }}
# Beside a sidecar that stays, a Job never ends.
vault.hashicorp.com/agent-pre-populate-only: "true"
{{- else }}
# A Vault that is away for long must not end the agent, and with it the pod: the last good files stay in use.
vault.hashicorp.com/template-config-exit-on-retry-failure: "false"
# How soon a change in the key-value engine is found.
vault.hashicorp.com/template-static-secret-render-interval: "30s"
{{- end }}
{{- range $name := (index (include "billing.needs" . | fromYaml) .component).secrets }}
{{- /* The run reads its worker by the same name from a place of its own: nobody renews that lease. */}}
{{- $place := and (eq $.component "invoice-cron") (eq $name "database-worker") | ternary "database-cron" $name }}
{{- with index $vault.secrets $place }}
{{- $data := ternary ".Data.data" ".Data" .kv }}
vault.hashicorp.com/agent-inject-secret-{{ $name }}.json: {{ .path | quote }}
vault.hashicorp.com/agent-inject-perms-{{ $name }}.json: "0400"
vault.hashicorp.com/agent-inject-template-{{ $name }}.json: {{ printf "{{- with secret %q -}}{{ %s | toJSON }}{{- end -}}" .path $data | quote }}
{{- end }}
{{- end }}
{{- end }}

{{/* Labels and annotations of a pod. */}}
{{- define "billing.podMetadata" -}}
labels:
  {{- include "billing.labels" . | nindent 2 }}
annotations:
  # New variables are new pods.
  checksum/variables: {{ include "billing.variables" . | sha256sum }}
  {{- if and .root.Values.vault.enabled (not .root.Values.vault.address) }}
  {{- include "billing.vaultAnnotations" . | nindent 2 }}
  {{- end }}
  {{- with .settings.podAnnotations }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end }}

{{/* The variables of all programs, under their own names; each reads its own. */}}
{{- define "billing.variables" -}}
{{- with .root.Values.vault }}
{{- if and .enabled .address }}
BILLING_CREDENTIALS: vault
BILLING_VAULT_AUTH: kubernetes
BILLING_VAULT_ROLE: {{ eq $.component "migrate" | ternary .migrateRole .role | quote }}
VAULT_ADDR: {{ .address }}
{{- range $name, $secret := .secrets }}
{{- if and $secret (ne $name "database-cron") }}
BILLING_VAULT_PATH_{{ $name | upper | replace "-" "_" }}: {{ $secret.path | quote }}
{{- end }}
{{- end }}
{{- else if .enabled }}
BILLING_CREDENTIALS: files
BILLING_CREDENTIALS_DIR: /vault/secrets
{{- end }}
{{- end }}
{{- with .root.Values.tls.ca }}
{{- if or .configMap .secret }}
BILLING_TLS_CA_FILE: /etc/billing/tls/{{ .key }}
{{- end }}
{{- end }}
{{- range $name, $value := .root.Values.env }}
{{ $name }}: {{ $value | quote }}
{{- end }}
{{- end }}

{{/* The part of a pod that all workloads share. */}}
{{- define "billing.podSpec" -}}
serviceAccountName: {{ include "billing.serviceAccount" . }}
# The agent, or the program, logs in to Vault with it; nothing else needs it.
automountServiceAccountToken: {{ .root.Values.vault.enabled }}
enableServiceLinks: false
terminationGracePeriodSeconds: {{ .settings.terminationGracePeriodSeconds }}
{{- with .root.Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
securityContext:
  runAsNonRoot: true
  runAsUser: {{ .root.Values.runAsUser }}
  runAsGroup: {{ .root.Values.runAsUser }}
  fsGroup: {{ .root.Values.runAsUser }}
  seccompProfile:
    type: RuntimeDefault
{{- with .root.Values.tls.ca }}
{{- if or .configMap .secret }}
volumes:
  - name: tls-ca
    {{- if .configMap }}
    configMap:
      name: {{ .configMap }}
    {{- else }}
    secret:
      secretName: {{ .secret }}
    {{- end }}
{{- end }}
{{- end }}
{{- with .root.Values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .root.Values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .root.Values.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* The part of a container that all workloads share. */}}
{{- define "billing.container" -}}
image: {{ .root.Values.image.repository }}:{{ include "billing.tag" . }}
imagePullPolicy: {{ .root.Values.image.pullPolicy }}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  runAsNonRoot: true
  runAsUser: {{ .root.Values.runAsUser }}
  capabilities:
    drop: [ALL]
resources:
  {{- toYaml .settings.resources | nindent 2 }}
{{- with .root.Values.tls.ca }}
{{- if or .configMap .secret }}
volumeMounts:
  - name: tls-ca
    mountPath: /etc/billing/tls
    readOnly: true
{{- end }}
{{- end }}
{{- end }}

{{/* Variables of a container that starts after the ConfigMap is there. */}}
{{- define "billing.envFrom" -}}
env:
{{- if eq .component "ingest" }}
  # Batches are large and come and go: each large piece is given back whole, and leaves no hole among small ones.
  - name: MALLOC_MMAP_THRESHOLD_
    value: "1048576"
{{- else }}
  # Documents are rendered by threads that come and go: with one arena what they leave is used again.
  - name: MALLOC_ARENA_MAX
    value: "1"
{{- end }}
envFrom:
  - configMapRef:
      name: {{ .root.Values.fullnameOverride }}
  {{- with .root.Values.envFrom }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end }}
