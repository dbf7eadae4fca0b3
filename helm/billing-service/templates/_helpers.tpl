{{/* Name of the workload: api, ingest or invoice-cron. */}}
{{- define "billing.name" -}}
{{- $name := .root.Values.fullnameOverride -}}
{{- if eq .component "api" -}}{{ $name }}{{- else -}}{{ $name }}-{{ .component }}{{- end -}}
{{- end }}

{{- define "billing.selector" -}}
app.kubernetes.io/name: {{ .root.Values.fullnameOverride }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end }}

{{- define "billing.labels" -}}
{{ include "billing.selector" . }}
app.kubernetes.io/version: {{ .root.Values.image.tag | default .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ .root.Chart.Name }}-{{ .root.Chart.Version }}
{{- end }}

{{- define "billing.image" -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end }}

{{/* Secrets that a workload reads, separated by blanks. */}}
{{- define "billing.secrets" -}}
{{- $nats := ternary " nats" "" .root.Values.vault.nats -}}
{{- if eq .component "api" -}}database-api s3
{{- else if eq .component "ingest" -}}database-worker{{ $nats }}
{{- else -}}database-worker s3{{ $nats }}
{{- end -}}
{{- end }}

{{/* The Vault Agent writes each secret as one JSON object of texts, as BILLING_CREDENTIALS=files reads it. */}}
{{- define "billing.vaultAnnotations" -}}
{{- $vault := .root.Values.vault -}}
vault.hashicorp.com/agent-inject: "true"
vault.hashicorp.com/role: {{ $vault.role | quote }}
vault.hashicorp.com/agent-run-as-same-user: "true"
vault.hashicorp.com/agent-set-security-context: "true"
{{- if eq .component "invoice-cron" }}
vault.hashicorp.com/agent-pre-populate-only: "true"
{{- end }}
{{- range $name := splitList " " (include "billing.secrets" .) }}
{{- $path := printf "%s/%s" $vault.path $name }}
vault.hashicorp.com/agent-inject-secret-{{ $name }}.json: {{ $path | quote }}
vault.hashicorp.com/agent-inject-perms-{{ $name }}.json: "0400"
vault.hashicorp.com/agent-inject-template-{{ $name }}.json: {{ printf "{{- with secret %q -}}{{ .Data.data | toJSON }}{{- end -}}" $path | quote }}
{{- end }}
{{- end }}

{{/* The part of a pod that all workloads share; the rest is given by `own`. */}}
{{- define "billing.podSpec" -}}
serviceAccountName: {{ .root.Values.serviceAccount.name }}
enableServiceLinks: false
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
image: {{ include "billing.image" .root }}
imagePullPolicy: {{ .root.Values.image.pullPolicy }}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  runAsNonRoot: true
  runAsUser: {{ .root.Values.runAsUser }}
  capabilities:
    drop: [ALL]
env:
  {{- if .root.Values.vault.enabled }}
  - name: BILLING_CREDENTIALS
    value: files
  - name: BILLING_CREDENTIALS_DIR
    value: /vault/secrets
  {{- end }}
  {{- range $name, $value := .root.Values.env }}
  - name: {{ $name }}
    value: {{ $value | quote }}
  {{- end }}
{{- with .root.Values.envFrom }}
envFrom:
  {{- toYaml . | nindent 2 }}
{{- end }}
resources:
  {{- toYaml .settings.resources | nindent 2 }}
{{- end }}

{{/* A Deployment of one of the two programs that stay up. */}}
{{- define "billing.deployment" -}}
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ include "billing.name" . }}
  labels:
    {{- include "billing.labels" . | nindent 4 }}
spec:
  {{- /* No replicas: the autoscaler owns their number, and an upgrade must not reset it. */}}
  revisionHistoryLimit: 5
  strategy:
    type: RollingUpdate
    rollingUpdate:
      maxSurge: 1
      maxUnavailable: 0
  selector:
    matchLabels:
      {{- include "billing.selector" . | nindent 6 }}
  template:
    metadata:
      labels:
        {{- include "billing.labels" . | nindent 8 }}
      annotations:
        prometheus.io/scrape: "true"
        prometheus.io/port: "9464"
        prometheus.io/path: /metrics
        {{- if .root.Values.vault.enabled }}
        {{- include "billing.vaultAnnotations" . | nindent 8 }}
        {{- end }}
        {{- with .settings.podAnnotations }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
    spec:
      {{- include "billing.podSpec" . | nindent 6 }}
      terminationGracePeriodSeconds: {{ .settings.terminationGracePeriodSeconds }}
      containers:
        - name: {{ .component }}
          command: [/usr/local/bin/{{ .component }}]
          {{- include "billing.container" . | nindent 10 }}
          ports:
            - name: http
              containerPort: 3020
            - name: metrics
              containerPort: 9464
          livenessProbe:
            httpGet:
              path: /health/live
              port: http
            periodSeconds: 10
            timeoutSeconds: 2
            failureThreshold: 3
          readinessProbe:
            httpGet:
              path: /health/ready
              port: http
            periodSeconds: 5
            timeoutSeconds: 2
            failureThreshold: 2
{{- end }}

{{- define "billing.pdb" -}}
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  name: {{ include "billing.name" . }}
  labels:
    {{- include "billing.labels" . | nindent 4 }}
spec:
  minAvailable: {{ .settings.minAvailable }}
  selector:
    matchLabels:
      {{- include "billing.selector" . | nindent 6 }}
{{- end }}

{{- define "billing.hpa" -}}
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata:
  name: {{ include "billing.name" . }}
  labels:
    {{- include "billing.labels" . | nindent 4 }}
spec:
  scaleTargetRef:
    apiVersion: apps/v1
    kind: Deployment
    name: {{ include "billing.name" . }}
  minReplicas: {{ .settings.autoscaling.minReplicas }}
  maxReplicas: {{ .settings.autoscaling.maxReplicas }}
  metrics:
    - type: Resource
      resource:
        name: cpu
        target:
          type: Utilization
          averageUtilization: {{ .settings.autoscaling.cpu }}
    {{- with .settings.autoscaling.lag }}
    - type: External
      external:
        metric:
          name: billing_nats_consumer_lag
        target:
          type: AverageValue
          averageValue: {{ . | quote }}
    {{- end }}
{{- end }}
